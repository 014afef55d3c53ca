package runrollup

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// explicit returns one histogram point of the metric "duration". Times are in seconds.
func explicit(writer string, t pmetric.AggregationTemporality, start, at int, bounds []float64, counts ...uint64) pmetric.Metrics {
	b := newBatch()
	h := b.metric(writer, "duration").SetEmptyHistogram()
	h.SetAggregationTemporality(t)
	p := h.DataPoints().AppendEmpty()
	p.SetStartTimestamp(pcommon.Timestamp(start) * 1e9)
	p.SetTimestamp(pcommon.Timestamp(at) * 1e9)
	p.ExplicitBounds().FromRaw(bounds)
	p.BucketCounts().FromRaw(counts)
	var total uint64
	for _, n := range counts {
		total += n
	}
	p.SetCount(total)
	p.SetSum(float64(total))
	p.SetMin(float64(at))
	p.SetMax(float64(at))
	return b.md
}

// lastHistogram returns the last point that is emitted.
func (h *harness) lastHistogram() pmetric.HistogramDataPoint {
	h.t.Helper()
	h.emitAll()
	got := h.sink.drain()
	points := got[len(got)-1].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints()
	return points.At(points.Len() - 1)
}

func TestHistograms(t *testing.T) {
	own := []float64{1, 2, 5}
	for name, c := range map[string]struct {
		send       []pmetric.Metrics
		want       []uint64
		rebucketed int64
	}{
		"deltas of two writers, one repeated": {
			[]pmetric.Metrics{
				explicit("w1", deltas, 1, 2, own, 1, 2, 3, 4), explicit("w2", deltas, 1, 2, own, 1, 0, 0, 0),
				explicit("w1", deltas, 1, 2, own, 1, 2, 3, 4),
			}, []uint64{2, 2, 3, 4}, 0,
		},
		"cumulative, with a restart": {
			[]pmetric.Metrics{
				explicit("w1", cumulatives, 1, 2, own, 1, 2, 3, 4), explicit("w1", cumulatives, 1, 3, own, 2, 2, 3, 4),
				explicit("w1", cumulatives, 5, 6, own, 0, 1, 0, 0),
			}, []uint64{2, 3, 3, 4}, 0,
		},
		"cumulative, with other bounds after a restart": {
			[]pmetric.Metrics{
				explicit("w1", cumulatives, 1, 2, own, 1, 2, 3, 4), explicit("w1", cumulatives, 5, 6, []float64{2}, 4, 1),
				explicit("w1", cumulatives, 5, 7, []float64{2}, 5, 1),
			}, []uint64{1, 7, 3, 5}, 0,
		},
		"each of their bounds is one of ours": {
			[]pmetric.Metrics{explicit("w1", deltas, 1, 2, []float64{2}, 4, 1)}, []uint64{0, 4, 0, 1}, 0,
		},
		"foreign bounds": {
			[]pmetric.Metrics{explicit("w1", deltas, 1, 2, []float64{1, 3}, 4, 2, 1)}, []uint64{4, 0, 2, 1}, 1,
		},
		"no buckets": {
			[]pmetric.Metrics{explicit("w1", deltas, 1, 2, nil, 3)}, []uint64{0, 0, 0, 3}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) { c.Metrics = one("duration", MetricConfig{Kind: KindHistogram, Bounds: own}) })
			for _, md := range c.send {
				h.send(md)
			}
			for _, when := range []string{"at once", "after a restart"} {
				p := h.lastHistogram()
				require.Equal(t, c.want, p.BucketCounts().AsRaw(), when)
				var total uint64
				for _, n := range c.want {
					total += n
				}
				require.Equal(t, total, p.Count())
				require.Equal(t, float64(total), p.Sum())
				h.stop()
				h.start()
			}
		})
	}
}

func TestRebucketedPointsAreCounted(t *testing.T) {
	for name, bounds := range map[string][]float64{"configured": {1, 2, 5}, "of the first point": nil} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) { c.Metrics = one("duration", MetricConfig{Bounds: bounds}) })
			h.send(explicit("w1", deltas, 1, 2, []float64{1, 2, 5}, 1, 1, 1, 1))
			h.send(explicit("w2", deltas, 1, 2, []float64{1, 3}, 4, 2, 1))
			require.Equal(t, []uint64{5, 1, 3, 2}, h.lastHistogram().BucketCounts().AsRaw())
			require.EqualValues(t, 1, h.counts("rebucketed")[""])
		})
	}
}

func TestHistogramHasZeroBeforeItsFirstValueAndItsRange(t *testing.T) {
	h := newHarness(t)
	h.send(explicit("w1", deltas, 1, 2, []float64{1}, 1, 2))
	h.send(explicit("w2", deltas, 1, 7, []float64{1}, 1, 2))
	h.emitAll()
	var points []pmetric.HistogramDataPoint
	for _, md := range h.sink.drain() {
		list := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints()
		require.Equal(t, 1, list.Len())
		points = append(points, list.At(0))
	}
	require.Len(t, points, 2)
	require.Equal(t, []uint64{0, 0}, points[0].BucketCounts().AsRaw())
	require.True(t, points[0].HasSum())
	require.Equal(t, []uint64{2, 4}, points[1].BucketCounts().AsRaw())
	require.Equal(t, 2.0, points[1].Min())
	require.Equal(t, 7.0, points[1].Max())
}

func TestHistogramsOverflowIntoOneSeries(t *testing.T) {
	limit := uint64(1)
	h := newHarness(t, func(c *Config) { c.Defaults.Limit = &limit })
	for i, job := range []string{"a", "b", "c"} {
		md := explicit("w1", deltas, 1, 2+i, []float64{1}, 1, 2)
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints().At(0).Attributes().PutStr("job", job)
		h.send(md)
	}
	require.Equal(t, map[string]any{
		"duration{job=a,service.name=etl}":    []uint64{1, 2},
		"duration{otel.metric.overflow=true}": []uint64{2, 4},
	}, values(h.emit()))
}

func TestExponentialHistograms(t *testing.T) {
	send := func(h *harness, writer string, temporality pmetric.AggregationTemporality, at int, scale, offset int32, counts ...uint64) {
		b := newBatch()
		m := b.metric(writer, "duration").SetEmptyExponentialHistogram()
		m.SetAggregationTemporality(temporality)
		p := m.DataPoints().AppendEmpty()
		p.SetStartTimestamp(1e9)
		p.SetTimestamp(pcommon.Timestamp(at) * 1e9)
		p.SetScale(scale)
		p.Positive().SetOffset(offset)
		p.Positive().BucketCounts().FromRaw(counts)
		p.SetZeroCount(1)
		total := uint64(1)
		for _, n := range counts {
			total += n
		}
		p.SetCount(total)
		h.send(b.md)
	}
	h := newHarness(t)
	send(h, "w1", deltas, 2, 1, 2, 1, 2, 3)
	send(h, "w1", deltas, 2, 1, 2, 1, 2, 3)
	send(h, "w2", cumulatives, 2, 0, 1, 5)
	send(h, "w2", cumulatives, 3, 0, 1, 7, 1)
	h.emitAll()
	var points []pmetric.ExponentialHistogramDataPoint
	for _, md := range h.sink.drain() {
		points = append(points, md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).ExponentialHistogram().DataPoints().At(0))
	}
	require.Len(t, points, 2)
	require.Zero(t, points[0].Count())
	p := points[1]
	require.EqualValues(t, 0, p.Scale())
	require.EqualValues(t, 1, p.Positive().Offset())
	// At scale 0: 1 + 2 of the first writer in bucket 1 and 3 in bucket 2, then 7 and 1 of the second.
	require.Equal(t, []uint64{10, 4}, p.Positive().BucketCounts().AsRaw())
	require.EqualValues(t, 2, p.ZeroCount())
	require.EqualValues(t, 16, p.Count())
}
