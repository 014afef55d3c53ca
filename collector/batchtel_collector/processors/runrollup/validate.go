package runrollup

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	var p problems
	if c.Directory == "" {
		p.add("directory: not set; name a folder that only this instance of the processor uses, on a disk that survives restarts")
	}
	if c.Interval < time.Second {
		p.add("interval: %v is too short; write 1s or more", c.Interval)
	}
	if c.Horizon < c.Interval {
		p.add("horizon: %v is shorter than the interval of %v; write the longest time for which a sender repeats a request",
			c.Horizon, c.Interval)
	}
	if c.Expiry < c.Horizon {
		p.add("expiry: %v is shorter than the horizon of %v; write a longer time", c.Expiry, c.Horizon)
	}
	if c.WriterAttribute == "" {
		p.add("writer_attribute: empty; write the attribute that identifies a sender, such as batchtel.writer")
	}
	if c.UnknownMetrics != Accept && c.UnknownMetrics != Reject {
		p.add("unknown_metrics: %q is not accept or reject", c.UnknownMetrics)
	}
	if c.UnknownMetrics == Reject && len(c.Metrics) == 0 {
		p.add("unknown_metrics: reject without any block in metrics rejects everything; add blocks or write accept")
	}
	if c.ResourceAttributes != nil && slices.Contains(*c.ResourceAttributes, c.WriterAttribute) {
		p.add("resource_attributes: %s is the writer attribute, which is never emitted; remove it", c.WriterAttribute)
	}
	if slices.Contains(c.Naming.Reserved, "") {
		p.add("naming::reserved: an empty prefix rejects everything; remove it")
	}
	if c.Limits.LabelsSize < 64 {
		p.add("limits::labels_size: %d is too small; write 64 or more (bytes)", c.Limits.LabelsSize)
	}
	if c.Limits.Buckets < 1 {
		p.add("limits::buckets: %d is too small; write 1 or more", c.Limits.Buckets)
	}
	c.Defaults.validate(&p, "defaults", c.WriterAttribute)
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		m := c.Metrics[name]
		m.validate(&p, "metrics::"+name, c.WriterAttribute)
	}
	return errors.Join(p...)
}

type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (d *MetricDefaults) validate(p *problems, at, writer string) {
	switch d.Gauge {
	case "", GaugeLast, GaugeMaximum, GaugeMinimum, GaugeSum:
	default:
		p.add("%s::gauge: %q is not last, maximum, minimum or sum", at, d.Gauge)
	}
	if d.Labels != nil && slices.Contains(*d.Labels, writer) {
		p.add("%s::labels: %s is the writer attribute, which is never emitted; remove it", at, writer)
	}
	for _, label := range slices.Sorted(maps.Keys(d.AllowedValues)) {
		if d.Labels != nil && !slices.Contains(*d.Labels, label) {
			p.add("%s::allowed_values: %s is not one of the labels", at, label)
		}
		if len(d.AllowedValues[label]) == 0 && at == "defaults" {
			p.add("%s::allowed_values::%s: empty; list the values, or remove the label from labels", at, label)
		}
	}
}

func (m *MetricConfig) validate(p *problems, at, writer string) {
	m.MetricDefaults.validate(p, at, writer)
	switch m.Kind {
	case "", KindCounter, KindUpDownCounter, KindGauge, KindHistogram, KindExponentialHistogram:
	default:
		p.add("%s::kind: %q is not counter, up_down_counter, gauge, histogram or exponential_histogram", at, m.Kind)
	}
	switch m.Number {
	case "", NumberInt, NumberDouble:
	default:
		p.add("%s::number: %q is not int or double", at, m.Number)
	}
	if m.Number != "" && (m.Kind == KindHistogram || m.Kind == KindExponentialHistogram) {
		p.add("%s::number: a histogram has no number type; remove it", at)
	}
	if m.Gauge != "" && m.Kind != "" && m.Kind != KindGauge {
		p.add("%s::gauge: the kind is %s; remove the rule", at, m.Kind)
	}
	if len(m.Bounds) > 0 && m.Kind != "" && m.Kind != KindHistogram {
		p.add("%s::bounds: the kind is %s; remove the bounds or write kind: histogram", at, m.Kind)
	}
	for i, bound := range m.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) {
			p.add("%s::bounds: %v is not a finite number; the last bucket has no upper bound by itself", at, bound)
		} else if i > 0 && bound <= m.Bounds[i-1] {
			p.add("%s::bounds: %v follows %v; write the bounds in ascending order, each once", at, bound, m.Bounds[i-1])
		}
	}
	if strings.TrimSpace(strings.TrimPrefix(at, "metrics::")) == "" {
		p.add("metrics: a block has no name")
	}
}
