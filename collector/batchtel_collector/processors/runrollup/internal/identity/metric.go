package identity

import "batchtel/runrollup/internal/wire"

// Kind is what the points of a metric are and how they are combined.
type Kind byte

// The kinds. Their values are part of the format on disk.
const (
	Counter Kind = iota + 1
	UpDownCounter
	Gauge
	Histogram
	ExponentialHistogram
)

// String returns the name of the kind as the configuration spells it.
func (k Kind) String() string {
	switch k {
	case Counter:
		return "counter"
	case UpDownCounter:
		return "up_down_counter"
	case Gauge:
		return "gauge"
	case Histogram:
		return "histogram"
	case ExponentialHistogram:
		return "exponential_histogram"
	}
	return "unknown"
}

// Valid reports whether the kind is one of the constants.
func (k Kind) Valid() bool { return k >= Counter && k <= ExponentialHistogram }

// StartsAtZero reports whether the values of the kind are totals, which have a zero before the first.
func (k Kind) StartsAtZero() bool { return k != UpDownCounter && k != Gauge }

// Metric is what identifies a metric that leaves the processor. The description is not part of it.
type Metric struct {
	Name string
	Unit string
	Kind Kind
}

// Append appends the metric to b.
func (m Metric) Append(b []byte) []byte {
	b = append(b, byte(m.Kind))
	b = wire.AppendString(b, m.Name)
	return wire.AppendString(b, m.Unit)
}

// ReadMetric reads what Append wrote.
func ReadMetric(r *wire.Reader) Metric {
	m := Metric{Kind: Kind(r.Byte()), Name: r.String(), Unit: r.String()}
	if !m.Kind.Valid() {
		r.Fail()
	}
	return m
}
