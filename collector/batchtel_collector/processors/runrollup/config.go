package runrollup

import (
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config is the configuration of the processor. README.md has an example for each option.
type Config struct {
	// Directory holds the state of this instance and nothing else.
	Directory string `mapstructure:"directory"`
	// Fsync makes each acknowledgement wait until the disk has the request.
	Fsync bool `mapstructure:"fsync"`
	// Interval is the time between two emissions.
	Interval time.Duration `mapstructure:"interval"`
	// Expiry is the time without points after which a series ends.
	Expiry time.Duration `mapstructure:"expiry"`
	// Horizon is the time after a writer's last point for which the writer is remembered.
	Horizon time.Duration `mapstructure:"horizon"`
	// WriterAttribute is the resource attribute that identifies the writer, and the point attribute that identifies one of
	// its streams. It is never emitted.
	WriterAttribute string `mapstructure:"writer_attribute"`
	// ResourceAttributes are the resource attributes that are emitted; all of them when not set.
	ResourceAttributes *[]string `mapstructure:"resource_attributes"`
	// Scope makes name and version of the instrumentation scope part of a series.
	Scope bool `mapstructure:"scope"`
	// UnknownMetrics is what happens to a metric without a block in Metrics.
	UnknownMetrics UnknownMetrics `mapstructure:"unknown_metrics"`
	// Naming is how names are emitted.
	Naming Naming `mapstructure:"naming"`
	// Limits bound memory and the number of series.
	Limits Limits `mapstructure:"limits"`
	// Defaults hold for every metric whose block does not set them.
	Defaults MetricDefaults `mapstructure:"defaults"`
	// Metrics has a block per metric, by name or by a pattern with `*`.
	Metrics map[string]MetricConfig `mapstructure:"metrics"`
}

// UnknownMetrics is what happens to a metric without a block of its own.
type UnknownMetrics string

// The values of UnknownMetrics.
const (
	Accept UnknownMetrics = "accept"
	Reject UnknownMetrics = "reject"
)

// Naming is how names are emitted.
type Naming struct {
	// Prometheus writes names as Prometheus would, unit included.
	Prometheus bool `mapstructure:"prometheus"`
	// Reserved are prefixes that only metrics with a block of their own may have; these keep their names.
	Reserved []string `mapstructure:"reserved"`
}

// Limits are upper bounds; 0 is no limit.
type Limits struct {
	// Series is the number of live series of all metrics, without overflow series.
	Series uint64 `mapstructure:"series"`
	// Metrics is the number of different metrics.
	Metrics uint64 `mapstructure:"metrics"`
	// WriterStreams is the number of streams of writers that are remembered.
	WriterStreams uint64 `mapstructure:"writer_streams"`
	// LabelsSize is the size of resource, scope and labels of one series in bytes.
	LabelsSize int `mapstructure:"labels_size"`
	// Buckets is the number of buckets of a histogram point.
	Buckets int `mapstructure:"buckets"`
}

// MetricDefaults are the options of a metric that have a default.
type MetricDefaults struct {
	// Labels are the attributes that are emitted; all of them when not set.
	Labels *[]string `mapstructure:"labels"`
	// AllowedValues are the values of a label that are emitted as they are, by label. With an empty list all are.
	AllowedValues map[string][]string `mapstructure:"allowed_values"`
	// Replacement is emitted instead of a value that is not allowed.
	Replacement string `mapstructure:"replacement"`
	// Limit is the number of series of one metric, without its overflow series; 0 is no limit.
	Limit *uint64 `mapstructure:"limit"`
	// Gauge is how the values of one gauge series are combined.
	Gauge GaugeRule `mapstructure:"gauge"`
}

// MetricConfig is the block of one metric.
type MetricConfig struct {
	MetricDefaults `mapstructure:",squash"`
	// Kind is required of every point; any kind is accepted when it is empty.
	Kind Kind `mapstructure:"kind"`
	// Unit is required of every point that has a unit, and emitted.
	Unit *string `mapstructure:"unit"`
	// Description is emitted instead of the sender's.
	Description string `mapstructure:"description"`
	// Number is the type of the values of sums and gauges.
	Number NumberType `mapstructure:"number"`
	// Bounds are the bucket bounds of the series; those of the first point of a series when not set.
	Bounds []float64 `mapstructure:"bounds"`
}

// GaugeRule is how the values of one gauge series are combined.
type GaugeRule string

// The values of GaugeRule. The empty rule is GaugeLast.
const (
	GaugeLast    GaugeRule = "last"
	GaugeMaximum GaugeRule = "maximum"
	GaugeMinimum GaugeRule = "minimum"
	GaugeSum     GaugeRule = "sum"
)

// Kind is the kind of a metric.
type Kind string

// The values of Kind.
const (
	KindCounter              Kind = "counter"
	KindUpDownCounter        Kind = "up_down_counter"
	KindGauge                Kind = "gauge"
	KindHistogram            Kind = "histogram"
	KindExponentialHistogram Kind = "exponential_histogram"
)

// NumberType is the type of the values of a metric.
type NumberType string

// The values of NumberType. With the empty type the series is an integer until its first double.
const (
	NumberInt    NumberType = "int"
	NumberDouble NumberType = "double"
)

const day = 24 * time.Hour

func createDefaultConfig() component.Config {
	limit := uint64(2000)
	return &Config{
		Fsync:           true,
		Interval:        15 * time.Second,
		Expiry:          35 * day,
		Horizon:         time.Hour,
		WriterAttribute: "batchtel.writer",
		UnknownMetrics:  Accept,
		Limits:          Limits{Series: 100_000, Metrics: 1000, WriterStreams: 1_000_000, LabelsSize: 4096, Buckets: 1000},
		Defaults:        MetricDefaults{Replacement: "other", Limit: &limit, Gauge: GaugeLast},
	}
}
