package runrollup

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func TestRejectedPointsLeaveTheirNeighbours(t *testing.T) {
	counter := func(change func(pmetric.NumberDataPoint)) func(batch) {
		return func(b batch) {
			p := sum(b.metric("w1", "bad"), deltas, true).DataPoints().AppendEmpty()
			point(p, 1, 2, 1)
			change(p)
		}
	}
	hist := func(count uint64, bounds []float64, counts ...uint64) func(batch) {
		return func(b batch) {
			h := b.metric("w1", "bad").SetEmptyHistogram()
			h.SetAggregationTemporality(deltas)
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(1)
			p.SetCount(count)
			p.ExplicitBounds().FromRaw(bounds)
			p.BucketCounts().FromRaw(counts)
		}
	}
	unit := "s"
	for name, c := range map[string]struct {
		reason reason
		add    func(batch)
	}{
		"not a number":       {reasonNotFinite, counter(func(p pmetric.NumberDataPoint) { p.SetDoubleValue(math.NaN()) })},
		"infinite":           {reasonNotFinite, counter(func(p pmetric.NumberDataPoint) { p.SetDoubleValue(math.Inf(1)) })},
		"too large for sums": {reasonNotFinite, counter(func(p pmetric.NumberDataPoint) { p.SetDoubleValue(1.1e300) })},
		"an exponential histogram that Prometheus cannot hold": {reasonMalformed, func(b batch) {
			x := b.metric("w1", "bad").SetEmptyExponentialHistogram()
			x.SetAggregationTemporality(deltas)
			p := x.DataPoints().AppendEmpty()
			p.SetTimestamp(1)
			p.SetScale(-5)
		}},
		"a histogram with a negative sum": {reasonNegative, func(b batch) {
			h := b.metric("w1", "bad").SetEmptyHistogram()
			h.SetAggregationTemporality(deltas)
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(1)
			p.SetSum(-1)
		}},
		"negative": {reasonNegative, counter(func(p pmetric.NumberDataPoint) { p.SetIntValue(-1) })},
		"no time":  {reasonNoTime, counter(func(p pmetric.NumberDataPoint) { p.SetTimestamp(0) })},
		"no value": {reasonNoValue, counter(func(p pmetric.NumberDataPoint) {
			p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
		})},
		"large labels": {reasonTooLarge, counter(func(p pmetric.NumberDataPoint) {
			p.Attributes().PutStr("x", string(make([]byte, 5000)))
		})},
		"no temporality": {reasonTemporality, func(b batch) {
			point(sum(b.metric("w1", "bad"), 0, true).DataPoints().AppendEmpty(), 1, 2, 1)
		}},
		"a summary":            {reasonType, func(b batch) { b.metric("w1", "bad").SetEmptySummary().DataPoints().AppendEmpty() }},
		"counts without sum":   {reasonMalformed, hist(3, []float64{1}, 1, 1)},
		"a count too few":      {reasonMalformed, hist(1, []float64{1, 2}, 1, 0)},
		"bounds not ascending": {reasonMalformed, hist(0, []float64{2, 1}, 0, 0, 0)},
		"too many buckets":     {reasonTooLarge, hist(0, make([]float64, 2000), make([]uint64, 2001)...)},
		"a foreign kind": {reasonKind, func(b batch) {
			point(b.metric("w1", "typed").SetEmptyGauge().DataPoints().AppendEmpty(), 0, 2, 1)
		}},
		"a foreign unit": {reasonUnit, func(b batch) {
			m := b.metric("w1", "typed")
			m.SetUnit("ms")
			point(sum(m, deltas, true).DataPoints().AppendEmpty(), 1, 2, 1)
		}},
		"a fraction": {reasonNumber, func(b batch) {
			point(sum(b.metric("w1", "typed"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 1.5)
		}},
		"an unknown metric": {reasonUnknownMetric, func(b batch) {
			point(sum(b.metric("w1", "unknown"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 1)
		}},
		"a malformed exponential histogram": {reasonMalformed, func(b batch) {
			h := b.metric("w1", "bad").SetEmptyExponentialHistogram()
			h.SetAggregationTemporality(deltas)
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(1)
			p.SetCount(7)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) {
				c.UnknownMetrics = Reject
				c.Metrics = map[string]MetricConfig{
					"bad": {}, "runs": {}, "typed": {Kind: KindCounter, Unit: &unit, Number: NumberInt},
				}
			})
			b := newBatch()
			c.add(b)
			point(sum(b.metric("w1", "runs"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 5, "job", "a")
			h.send(b.md)
			require.Equal(t, one(string(c.reason), int64(1)), h.counts("rejected"))
			require.Equal(t, one("", int64(1)), h.counts("accepted"))
			require.Equal(t, one("runs{"+labelsA+"}", any(int64(5))), values(h.emit()))
		})
	}
}
