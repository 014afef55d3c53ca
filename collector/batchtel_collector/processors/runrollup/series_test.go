package runrollup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func TestLimitsKeepSumsInOverflowSeries(t *testing.T) {
	limit := uint64(2)
	for name, change := range map[string]func(*Config){
		"of one metric":  func(c *Config) { c.Defaults.Limit = &limit },
		"of all metrics": func(c *Config) { c.Limits.Series = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, change)
			send := func(at int, job string) { h.send(delta("w1", at-1, at, 1, "job", job)) }
			for i, job := range []string{"a", "b", "c", "d", "a", "c"} {
				send(i+2, job)
			}
			want := map[string]any{
				"runs{job=a,service.name=etl}":    int64(2),
				"runs{job=b,service.name=etl}":    int64(1),
				"runs{otel.metric.overflow=true}": int64(3),
			}
			require.Equal(t, want, values(h.emit()))
			require.EqualValues(t, 3, h.counts("overflowed")[""])
			h.stop()
			h.start()
			send(10, "c")
			send(11, "b")
			want["runs{otel.metric.overflow=true}"] = int64(4)
			want["runs{job=b,service.name=etl}"] = int64(2)
			require.Equal(t, want, values(h.emit()), "the admitted series keep their places")
		})
	}
}

func TestLimitOfMetrics(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		c.Limits.Metrics = 1
		c.Metrics = map[string]MetricConfig{"own": {}}
	})
	b := newBatch()
	for _, name := range []string{"one", "two", "one", "own"} {
		point(sum(b.metric("w1", name), deltas, true).DataPoints().AppendEmpty(), 1, 2, 1, "job", name)
	}
	h.send(b.md)
	require.Equal(t, one(string(reasonTooManyMetric), int64(1)), h.counts("rejected"))
	require.EqualValues(t, 1, values(h.emit())["own{job=own,service.name=etl}"])
}

func TestOneNameHasOneKindBesideACounter(t *testing.T) {
	h := newHarness(t)
	b := newBatch()
	point(b.metric("w1", "level").SetEmptyGauge().DataPoints().AppendEmpty(), 0, 2, 9)
	point(sum(b.metric("w1", "level"), deltas, false).DataPoints().AppendEmpty(), 1, 2, 5)
	point(sum(b.metric("w1", "level"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 3)
	h.send(b.md)
	require.Equal(t, one(string(reasonKind), int64(1)), h.counts("rejected"))
	require.Len(t, h.emit(), 3) // the gauge, and the counter with its zero
}

func TestGaugeFromAYearAheadDoesNotHoldItsSeries(t *testing.T) {
	h := newHarness(t)
	for _, at := range []int64{time.Now().AddDate(1, 0, 0).UnixNano(), time.Now().Add(2 * time.Minute).UnixNano()} {
		b := newBatch()
		p := b.metric("w1", "level").SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.Timestamp(at))
		p.SetIntValue(at)
		h.send(b.md)
		require.EqualValues(t, at, last(h.emit()))
	}
}

func TestLimitOfWriterStreams(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.WriterStreams = 2 })
	for _, w := range []string{"w1", "w2", "w3"} {
		h.send(delta(w, 1, 2, 1))
	}
	h.send(delta("w3", 1, 2, 1))
	require.EqualValues(t, 3, last(h.emit()))
	require.EqualValues(t, 1, h.counts("evicted_writers")[""])
	require.EqualValues(t, 2, h.counts("writer_streams")[""])
}

func TestLabels(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		c.ResourceAttributes = &[]string{"service.name"}
		c.Defaults.AllowedValues = one("type", []string{"batch"})
		c.Metrics = map[string]MetricConfig{
			"runs": {MetricDefaults: MetricDefaults{
				Labels: &[]string{"job", "status", "type"}, AllowedValues: one("status", []string{"success"}), Replacement: "rest",
			}},
			"none": {MetricDefaults: MetricDefaults{Labels: &[]string{}}},
			"open": {MetricDefaults: MetricDefaults{AllowedValues: one("type", []string{})}},
		}
	})
	h.send(delta("w1", 1, 2, 1, "job", "a", "status", "success", "run_id", "1", "type", "batch"))
	h.send(delta("w1", 1, 2, 2, "job", "a", "status", "what", "batchtel.writer", "x", "type", "odd"))
	b := newBatch()
	point(sum(b.metric("w1", "none"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 4, "job", "a")
	point(sum(b.metric("w1", "open"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 8, "type", "any")
	h.send(b.md)
	require.Equal(t, map[string]any{
		"open{service.name=etl,type=any}":                        int64(8),
		"runs{job=a,service.name=etl,status=success,type=batch}": int64(1),
		"runs{job=a,service.name=etl,status=rest,type=rest}":     int64(2),
		"none{service.name=etl}":                                 int64(4),
	}, values(h.emit()))
}

func TestNumberTypes(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		c.Metrics = map[string]MetricConfig{"i": {Number: NumberInt}, "d": {Number: NumberDouble}}
	})
	b := newBatch()
	point(sum(b.metric("w1", "i"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 3.0)
	point(sum(b.metric("w1", "d"), deltas, true).DataPoints().AppendEmpty(), 1, 2, 3)
	h.send(b.md)
	require.Equal(t, map[string]any{"i{service.name=etl}": int64(3), "d{service.name=etl}": 3.0}, values(h.emit()))
}

func TestExemplarsAreEmittedOnce(t *testing.T) {
	h := newHarness(t)
	md := delta("w1", 1, 2, 1)
	p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
	for i := range 9 {
		x := p.Exemplars().AppendEmpty()
		x.SetIntValue(int64(i))
		x.SetTimestamp(pcommon.Timestamp(i))
		x.SetTraceID(pcommon.TraceID{byte(i)})
	}
	h.send(md)
	seen := func() (values []int64) {
		h.emitAll()
		for _, md := range h.sink.drain() {
			list := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
			for _, x := range list.At(list.Len() - 1).Exemplars().All() {
				values = append(values, x.IntValue())
			}
		}
		return values
	}
	require.Equal(t, []int64{5, 6, 7, 8}, seen())
	require.Empty(t, seen())
}
