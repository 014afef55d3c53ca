package state

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/value"
	"batchtel/runrollup/internal/wire"
)

// MaxExemplars is the number of exemplars that a series keeps, the newest.
const MaxExemplars = 4

// seriesBytes is the memory of a series besides its identity and buckets: the struct, its map entry, its slices.
const seriesBytes = 400

// OverflowAttribute marks the series that new label sets are added to beyond a limit (OpenTelemetry metrics SDK
// specification, "Overflow attribute").
const OverflowAttribute = "otel.metric.overflow"

// Series is one series that is emitted.
type Series struct {
	// ID is unique within the state and rises in the order of creation.
	ID uint64
	// key is the canonical identity; resource, scope and attributes are parts of it.
	key                         string
	resource, scope, attributes string
	metric                      *metric
	rule                        record.Rule
	value                       value.Value
	// time is the time of the last gauge value; hasValue is false before the first.
	time     uint64
	hasValue bool
	// born is the start time and the time of the zero, in Unix nanoseconds.
	born      int64
	delivered bool
	// seen is the elapsed time of the last point.
	seen      int64
	members   []*stream
	exemplars []exemplar
	idle      node[*Series]
	size      int64
}

// exemplar is an exemplar and the time of the emission before it arrived.
type exemplar struct {
	value.Exemplar
	after int64
}

var overflowSuffix = func() string {
	none := string(identity.AppendAttributes(nil, nil))
	overflow := string(identity.AppendAttributes(nil, []identity.Attribute{
		{Key: OverflowAttribute, Value: pcommon.NewValueBool(true)},
	}))
	return string(appendSeriesKey(nil, none, "", overflow))
}()

// appendSeriesKey appends what follows the metric in the key of a series.
func appendSeriesKey(b []byte, resource, scope, attributes string) []byte {
	b = wire.AppendString(b, resource)
	b = wire.AppendString(b, scope)
	return wire.AppendString(b, attributes)
}

// overflows reports whether the series is the overflow series of its metric.
func (x *Series) overflows() bool {
	n := len(x.key) - len(overflowSuffix)
	return n >= 0 && x.key[n:] == overflowSuffix
}

// sums reports whether the series is the sum of its live writers' last values.
func (x *Series) sums() bool {
	return x.metric.Kind == identity.UpDownCounter || (x.metric.Kind == identity.Gauge && x.rule == record.Sum)
}

// newSeries adds a series to the state. The key is complete and valid.
func (s *State) newSeries(key string, m *metric) *Series {
	x := &Series{key: key, metric: m}
	r := wire.NewReader([]byte(key))
	identity.ReadMetric(r)
	for _, part := range []*string{&x.resource, &x.scope, &x.attributes} {
		n := len(r.LengthAndBytes())
		end := len(key) - r.Len()
		*part = key[end-n : end]
	}
	x.idle.owner = x
	x.size = seriesBytes + int64(len(key))
	s.bytes += x.size
	s.series[key] = x
	s.list = append(s.list, x)
	m.series++
	if !x.overflows() {
		m.limited++
		s.limited++
	}
	return x
}

// isTaken reports whether a live metric of another kind has the name. In Prometheus both would be one series, of which one
// value is lost; only a counter has a name of its own there, which ends in _total.
func (s *State) isTaken(m identity.Metric) bool {
	if m.Kind == identity.Counter {
		return false
	}
	for _, kind := range []identity.Kind{identity.UpDownCounter, identity.Gauge, identity.Histogram, identity.ExponentialHistogram} {
		if kind != m.Kind && s.metrics[identity.Metric{Name: m.Name, Unit: m.Unit, Kind: kind}] != nil {
			return true
		}
	}
	return false
}

// find returns the series for a point, creates it, or returns the metric's overflow series. It returns nil when the
// number of metrics has reached its limit, or a metric of another kind has the name.
func (s *State) find(g *record.Group, attributes string) (x *Series, overflowed bool) {
	s.key = g.Metric.Append(s.key[:0])
	prefix := len(s.key)
	s.key = appendSeriesKey(s.key, g.Resource, g.Scope, attributes)
	if x = s.series[string(s.key)]; x != nil {
		return x, false
	}
	m := s.metrics[g.Metric]
	if m == nil {
		if s.isTaken(g.Metric) {
			return nil, false
		}
		if s.settings.Metrics > 0 && !g.Configured && uint64(len(s.metrics)) >= s.settings.Metrics {
			return nil, false
		}
		m = &metric{Metric: g.Metric, description: g.Description}
		s.metrics[g.Metric] = m
	}
	full := (g.Limit > 0 && m.limited >= g.Limit) || (s.settings.Series > 0 && s.limited >= s.settings.Series)
	if full {
		s.key = append(s.key[:prefix], overflowSuffix...)
		overflowed = true
		if x = s.series[string(s.key)]; x != nil {
			return x, true
		}
	}
	x = s.newSeries(string(s.key), m)
	x.ID = s.nextID
	s.nextID++
	x.rule = g.Rule
	x.born = max(s.emitted+birthGap, (s.clock.Wall-s.settings.Interval)/birthGap*birthGap)
	if x.delivered = !m.Kind.StartsAtZero(); !x.delivered {
		s.fresh = append(s.fresh, x)
	}
	return x, overflowed
}

// birthGap is the time between the last emission and the zero of a series born after it: the zero of a series that
// returns must be later than its stale marker. Milliseconds are the resolution of Prometheus.
const birthGap = int64(1_000_000)

// resize accounts for the memory of values that grew.
func (s *State) resize(x *Series) {
	n := seriesBytes + int64(len(x.key)) + int64(cap(x.members))*8 + int64(cap(x.exemplars))*80
	if h := x.value.Histogram; h != nil {
		n += int64(len(h.Counts))*16 + 120
	}
	if e := x.value.Exponential; e != nil {
		n += int64(len(e.Positive.Counts)+len(e.Negative.Counts))*8 + 200
	}
	s.bytes += n - x.size
	x.size = n
}

// addExemplars keeps the newest exemplars.
func (x *Series) addExemplars(exemplars []value.Exemplar, after int64) {
	for _, e := range exemplars {
		at := len(x.exemplars)
		for at > 0 && x.exemplars[at-1].Time > e.Time {
			at--
		}
		if at > 0 && x.exemplars[at-1].Exemplar == e {
			continue
		}
		x.exemplars = slices.Insert(x.exemplars, at, exemplar{e, after})
		if len(x.exemplars) > MaxExemplars {
			x.exemplars = slices.Delete(x.exemplars, 0, 1)
		}
	}
}

// forget removes the series from everything but list and fresh.
func (s *State) forget(x *Series) {
	for _, member := range x.members {
		member.extra.series = nil
	}
	x.members = nil
	delete(s.series, x.key)
	s.idle.remove(&x.idle)
	s.bytes -= x.size
	m := x.metric
	m.series--
	if !x.overflows() {
		m.limited--
		s.limited--
	}
	if m.series == 0 {
		delete(s.metrics, m.Metric)
	}
}
