//go:generate mdatagen metadata.yaml

// Package runrollup is a processor for the OpenTelemetry Collector. It adds the points of many short-lived writers to
// one bounded set of cumulative series: each point once, in any order, over restarts, with a constant rate of samples.
package runrollup // import "batchtel/runrollup"
