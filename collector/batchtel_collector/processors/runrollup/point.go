package runrollup

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/state"
	"batchtel/runrollup/internal/value"
)

// kindOf returns the kind of a metric, 0 for summaries and metrics without a type.
func kindOf(m pmetric.Metric) identity.Kind {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		if m.Sum().IsMonotonic() {
			return identity.Counter
		}
		return identity.UpDownCounter
	case pmetric.MetricTypeGauge:
		return identity.Gauge
	case pmetric.MetricTypeHistogram:
		return identity.Histogram
	case pmetric.MetricTypeExponentialHistogram:
		return identity.ExponentialHistogram
	}
	return 0
}

// temporalityOf returns the temporality of a metric; ok is false for kinds that have none.
func temporalityOf(m pmetric.Metric) (t pmetric.AggregationTemporality, ok bool) {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().AggregationTemporality(), true
	case pmetric.MetricTypeHistogram:
		return m.Histogram().AggregationTemporality(), true
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().AggregationTemporality(), true
	}
	return pmetric.AggregationTemporalityUnspecified, false
}

// pointsOf returns the number of points of a metric.
func pointsOf(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	}
	return 0
}

// check returns why all points of a metric are rejected.
func check(m pmetric.Metric, how *rule) reason {
	kind := kindOf(m)
	temporality, needed := temporalityOf(m)
	switch {
	case how == nil:
		return reasonUnknownMetric
	case kind == 0:
		return reasonType
	case how.kind != 0 && how.kind != kind:
		return reasonKind
	case how.unit != nil && m.Unit() != "" && m.Unit() != *how.unit && !(counts(m.Unit()) && counts(*how.unit)):
		return reasonUnit
	case needed && temporality != pmetric.AggregationTemporalityDelta &&
		temporality != pmetric.AggregationTemporalityCumulative:
		return reasonTemporality
	}
	return accepted
}

// minScale is the lowest scale of an exponential histogram that is accepted: Prometheus has no lower one, and 160 buckets of
// it hold every double, so that merging needs none.
const minScale = -4

// counts reports whether a unit is one of things that are counted: 1, or an annotation such as {run}. UCUM gives all of them
// the same meaning.
func counts(unit string) bool {
	return unit == "1" || (strings.HasPrefix(unit, "{") && strings.HasSuffix(unit, "}"))
}

// maxValue is the largest value of a sum that is accepted: a few larger ones would make the total infinite, for ever.
const maxValue = 1e300

// maxExact is the largest double below which all integers are exact.
const maxExact = 1 << 53

// number returns the value of a point of a sum or gauge.
func number(p pmetric.NumberDataPoint, how *rule, monotonic bool) (value.Value, reason) {
	var n value.Number
	switch {
	case p.Flags().NoRecordedValue() || p.ValueType() == pmetric.NumberDataPointValueTypeEmpty:
		return value.Value{}, reasonNoValue
	case p.ValueType() == pmetric.NumberDataPointValueTypeInt:
		n = value.Integer(p.IntValue())
	default:
		n = value.Double(p.DoubleValue())
	}
	switch {
	case !n.Finite() || math.Abs(n.Float) > maxValue:
		return value.Value{}, reasonNotFinite
	case monotonic && n.Negative():
		return value.Value{}, reasonNegative
	case how.number == NumberDouble && !n.Mixed:
		n = value.Double(float64(n.Int))
	case how.number == NumberInt && n.Mixed:
		if n.Float != math.Trunc(n.Float) || math.Abs(n.Float) > maxExact {
			return value.Value{}, reasonNumber
		}
		n = value.Integer(int64(n.Float))
	}
	return value.Value{Number: n}, accepted
}

// histogram returns the value of a point of an explicit histogram on the bounds of its metric. exact is false when
// buckets are upper bounds only.
func histogram(p pmetric.HistogramDataPoint, how *rule, limit int) (v value.Value, exact bool, why reason) {
	switch {
	case p.Flags().NoRecordedValue():
		return v, true, reasonNoValue
	case p.BucketCounts().Len() > limit || p.ExplicitBounds().Len() > limit:
		return v, true, reasonTooLarge
	}
	h := &value.Histogram{
		Summary: value.Summary{Count: p.Count(), HasSum: p.HasSum(), HasRange: p.HasMin() && p.HasMax()},
		Bounds:  p.ExplicitBounds().AsRaw(), Counts: p.BucketCounts().AsRaw(),
	}
	if h.HasSum {
		h.Sum = p.Sum()
	}
	if h.HasRange {
		h.Min, h.Max = p.Min(), p.Max()
	}
	if why := summary(h.Summary); why != accepted {
		return v, true, why
	}
	if len(h.Counts) == 0 && len(h.Bounds) == 0 {
		h.Counts = []uint64{h.Count}
	}
	if !h.Valid() {
		return v, true, reasonMalformed
	}
	exact = true
	if how.bounds != nil {
		h, exact = h.Rebucket(how.bounds)
	}
	return value.Value{Histogram: h}, exact, accepted
}

// exponential returns the value of a point of an exponential histogram.
func exponential(p pmetric.ExponentialHistogramDataPoint, limit int) (v value.Value, why reason) {
	positive, negative := p.Positive(), p.Negative()
	switch {
	case p.Flags().NoRecordedValue():
		return v, reasonNoValue
	case positive.BucketCounts().Len()+negative.BucketCounts().Len() > limit:
		return v, reasonTooLarge
	case p.Scale() < minScale:
		return v, reasonMalformed
	}
	e := &value.Exponential{
		Summary: value.Summary{Count: p.Count(), HasSum: p.HasSum(), HasRange: p.HasMin() && p.HasMax()},
		Scale:   p.Scale(), ZeroCount: p.ZeroCount(), ZeroThreshold: p.ZeroThreshold(),
		Positive: value.Buckets{Offset: positive.Offset(), Counts: positive.BucketCounts().AsRaw()},
		Negative: value.Buckets{Offset: negative.Offset(), Counts: negative.BucketCounts().AsRaw()},
	}
	if e.HasSum {
		e.Sum = p.Sum()
	}
	if e.HasRange {
		e.Min, e.Max = p.Min(), p.Max()
	}
	if why := summary(e.Summary); why != accepted {
		return v, why
	}
	if !e.Valid() {
		return v, reasonMalformed
	}
	e.Fit()
	return value.Value{Exponential: e}, accepted
}

// summary returns why count, sum, minimum and maximum of a histogram cannot be added. A sum that falls would be a reset of
// its series, so OTLP has no sum where values are negative (opentelemetry-proto, metrics.proto, HistogramDataPoint.sum).
func summary(s value.Summary) reason {
	switch {
	case math.IsNaN(s.Sum) || math.Abs(s.Sum) > maxValue:
		return reasonNotFinite
	case s.Sum < 0:
		return reasonNegative
	}
	return accepted
}

// exemplars returns the newest exemplars of a point.
func exemplars(received pmetric.ExemplarSlice) []value.Exemplar {
	if received.Len() == 0 {
		return nil
	}
	list := make([]value.Exemplar, 0, received.Len())
	for _, x := range received.All() {
		e := value.Exemplar{Time: uint64(x.Timestamp()), TraceID: x.TraceID(), SpanID: x.SpanID()}
		switch x.ValueType() {
		case pmetric.ExemplarValueTypeInt:
			e.Value = value.Integer(x.IntValue())
		case pmetric.ExemplarValueTypeDouble:
			e.Value = value.Double(x.DoubleValue())
		}
		if e.Value.Finite() {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b value.Exemplar) int { return cmp.Compare(a.Time, b.Time) })
	return list[max(0, len(list)-state.MaxExemplars):]
}
