package runrollup

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/state"
	"batchtel/runrollup/internal/value"
	"batchtel/runrollup/internal/wire"
)

// output is the metrics of one call to the next component.
type output struct {
	metrics   pmetric.Metrics
	at        pcommon.Timestamp
	resources map[string]pmetric.ResourceMetrics
	scopes    map[scopeKey]pmetric.ScopeMetrics
	byMetric  map[metricKey]pmetric.Metric
}

type scopeKey struct{ resource, scope string }

type metricKey struct {
	scopeKey
	metric identity.Metric
}

// newOutput returns an empty output for an emission at a time in Unix nanoseconds.
func newOutput(at int64) *output {
	return &output{
		metrics: pmetric.NewMetrics(), at: pcommon.Timestamp(at), resources: map[string]pmetric.ResourceMetrics{},
		scopes: map[scopeKey]pmetric.ScopeMetrics{}, byMetric: map[metricKey]pmetric.Metric{},
	}
}

// add adds the value of a series.
func (o *output) add(x *state.Series, exemplars []value.Exemplar) {
	if x.Empty() {
		return
	}
	p := o.point(x, x.Total(), o.at)
	p.addExemplars(exemplars)
}

// zero adds the zero that is before the first value of a series.
func (o *output) zero(x *state.Series) {
	o.point(x, x.Total().Zero(), pcommon.Timestamp(x.Born()))
}

// end adds the stale marker of a series.
func (o *output) end(x *state.Series) {
	if x.Empty() {
		return
	}
	p := o.point(x, x.Total().Zero(), o.at)
	p.setNoRecordedValue()
}

// metric returns the metric to which the points of a series are added.
func (o *output) metric(x *state.Series) pmetric.Metric {
	name, description := x.Metric()
	key := metricKey{scopeKey{x.Resource(), x.Scope()}, name}
	if m, ok := o.byMetric[key]; ok {
		return m
	}
	m := o.scope(key.scopeKey).Metrics().AppendEmpty()
	m.SetName(name.Name)
	m.SetUnit(name.Unit)
	m.SetDescription(description)
	switch name.Kind {
	case identity.Counter, identity.UpDownCounter:
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(name.Kind == identity.Counter)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	case identity.Gauge:
		m.SetEmptyGauge()
	case identity.Histogram:
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	case identity.ExponentialHistogram:
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	}
	o.byMetric[key] = m
	return m
}

func (o *output) scope(key scopeKey) pmetric.ScopeMetrics {
	if sm, ok := o.scopes[key]; ok {
		return sm
	}
	rm, ok := o.resources[key.resource]
	if !ok {
		rm = o.metrics.ResourceMetrics().AppendEmpty()
		identity.ReadAttributes(wire.NewReader([]byte(key.resource)), rm.Resource().Attributes())
		o.resources[key.resource] = rm
	}
	sm := rm.ScopeMetrics().AppendEmpty()
	if key.scope != "" {
		identity.ReadScope(wire.NewReader([]byte(key.scope)), sm.Scope())
	}
	o.scopes[key] = sm
	return sm
}

// outputPoint is a point of any kind on its way out.
type outputPoint struct {
	exemplars func() pmetric.ExemplarSlice
	setFlags  func(pmetric.DataPointFlags)
}

func (p outputPoint) setNoRecordedValue() {
	p.setFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
}

func (p outputPoint) addExemplars(exemplars []value.Exemplar) {
	if p.exemplars == nil {
		return
	}
	for _, e := range exemplars {
		x := p.exemplars().AppendEmpty()
		x.SetTimestamp(pcommon.Timestamp(e.Time))
		x.SetTraceID(e.TraceID)
		x.SetSpanID(e.SpanID)
		if e.Value.Mixed {
			x.SetDoubleValue(e.Value.Total())
		} else {
			x.SetIntValue(e.Value.Int)
		}
	}
}

// point adds one point.
func (o *output) point(x *state.Series, v value.Value, at pcommon.Timestamp) outputPoint {
	// The start is not after the point when the system clock went back.
	m, start := o.metric(x), min(pcommon.Timestamp(x.Born()), at)
	switch m.Type() {
	case pmetric.MetricTypeSum:
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetStartTimestamp(start)
		setNumber(p, x, v.Number, at)
		return outputPoint{p.Exemplars, p.SetFlags}
	case pmetric.MetricTypeGauge:
		p := m.Gauge().DataPoints().AppendEmpty()
		setNumber(p, x, v.Number, at)
		return outputPoint{nil, p.SetFlags}
	case pmetric.MetricTypeHistogram:
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetStartTimestamp(start)
		p.SetTimestamp(at)
		x.PutAttributes(p.Attributes())
		h := v.Histogram
		setSummary(p, h.Summary)
		p.ExplicitBounds().FromRaw(h.Bounds)
		p.BucketCounts().FromRaw(h.Counts)
		return outputPoint{p.Exemplars, p.SetFlags}
	default:
		p := m.ExponentialHistogram().DataPoints().AppendEmpty()
		p.SetStartTimestamp(start)
		p.SetTimestamp(at)
		x.PutAttributes(p.Attributes())
		e := v.Exponential
		setSummary(p, e.Summary)
		p.SetScale(e.Scale)
		p.SetZeroCount(e.ZeroCount)
		p.SetZeroThreshold(e.ZeroThreshold)
		p.Positive().SetOffset(e.Positive.Offset)
		p.Positive().BucketCounts().FromRaw(e.Positive.Counts)
		p.Negative().SetOffset(e.Negative.Offset)
		p.Negative().BucketCounts().FromRaw(e.Negative.Counts)
		return outputPoint{p.Exemplars, p.SetFlags}
	}
}

func setNumber(p pmetric.NumberDataPoint, x *state.Series, n value.Number, at pcommon.Timestamp) {
	p.SetTimestamp(at)
	x.PutAttributes(p.Attributes())
	if n.Mixed {
		p.SetDoubleValue(n.Total())
	} else {
		p.SetIntValue(n.Int)
	}
}

// summaryPoint is what both kinds of histogram points have.
type summaryPoint interface {
	SetCount(uint64)
	SetSum(float64)
	SetMin(float64)
	SetMax(float64)
}

func setSummary(p summaryPoint, s value.Summary) {
	p.SetCount(s.Count)
	if s.HasSum {
		p.SetSum(s.Sum)
	}
	if s.HasRange {
		p.SetMin(s.Min)
		p.SetMax(s.Max)
	}
}
