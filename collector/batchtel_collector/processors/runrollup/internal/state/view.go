package state

import (
	"iter"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/value"
	"batchtel/runrollup/internal/wire"
)

// All returns the live series in the order of creation.
func (s *State) All() iter.Seq[*Series] { return slices.Values(s.list) }

// Range returns the live series from index from to index to of the order of creation, or to the last.
func (s *State) Range(from, to int) []*Series {
	return s.list[min(from, len(s.list)):min(to, len(s.list))]
}

// Fresh returns the series whose zero is not delivered, in the order of creation.
func (s *State) Fresh() []*Series { return s.fresh }

// Metric returns the metric of the series and its description.
func (x *Series) Metric() (m identity.Metric, description string) {
	return x.metric.Metric, x.metric.description
}

// Resource, Scope and Attributes return the canonical bytes of what the series is emitted with.
func (x *Series) Resource() string { return x.resource }

// Scope returns the canonical bytes of the instrumentation scope.
func (x *Series) Scope() string { return x.scope }

// Attributes returns the canonical bytes of the attributes.
func (x *Series) Attributes() string { return x.attributes }

// PutAttributes adds the attributes of the series to a map.
func (x *Series) PutAttributes(to pcommon.Map) {
	identity.ReadAttributes(wire.NewReader([]byte(x.attributes)), to)
}

// Born returns the start time of the series in Unix nanoseconds.
func (x *Series) Born() int64 { return x.born }

// Delivered reports whether the next component has accepted the zero of the series, or the series needs none.
func (x *Series) Delivered() bool { return x.delivered }

// Empty reports whether the series has no value yet.
func (x *Series) Empty() bool {
	switch x.metric.Kind {
	case identity.Histogram:
		return x.value.Histogram == nil
	case identity.ExponentialHistogram:
		return x.value.Exponential == nil
	case identity.Gauge:
		return !x.sums() && !x.hasValue
	}
	return false
}

// Exemplars returns the exemplars that arrived between the last two emissions.
func (s *State) Exemplars(x *Series) (result []value.Exemplar) {
	for _, e := range x.exemplars {
		if e.after == s.previous {
			result = append(result, e.Exemplar)
		}
	}
	return result
}
