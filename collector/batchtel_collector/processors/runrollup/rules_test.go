package runrollup

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// counts returns a metric of the processor itself by reason, or under "" without attributes.
func (h *harness) counts(name string) map[string]int64 {
	h.t.Helper()
	m, err := h.tel.GetMetric("otelcol_processor_run_rollup_" + name)
	if err != nil {
		return map[string]int64{}
	}
	result := map[string]int64{}
	add := func(list []metricdata.DataPoint[int64]) {
		for _, p := range list {
			reason, _ := p.Attributes.Value("reason")
			result[reason.AsString()] = p.Value
		}
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		add(data.DataPoints)
	case metricdata.Gauge[int64]:
		add(data.DataPoints)
	}
	return result
}

func one[K comparable, V any](key K, v V) map[K]V { return map[K]V{key: v} }

// last returns the value that is emitted for one series of a metric.
func last(list []sample) any { return list[len(list)-1].Value }

func TestSendersStayRecognisedWhenTheConfigurationOfLabelsChanges(t *testing.T) {
	h := newHarness(t)
	send := func(labels ...string) {
		h.send(delta("w1", 1, 2, 7, append(labels, "batchtel.writer", "stream")...))
		b := newBatch()
		point(sum(b.metric("w1", "total"), cumulatives, true).DataPoints().AppendEmpty(), 1, len(labels), 10*len(labels),
			append(labels, "batchtel.writer", "other stream")...)
		h.send(b.md)
	}
	send("job", "a", "region", "eu")
	h.stop()
	h.cfg.Defaults.Labels = &[]string{"job"}
	h.start()
	send("job", "a", "region", "eu", "zone", "1")
	require.Equal(t, map[string]int64{"": 1}, h.counts("duplicate"))
	got := values(h.emit())
	require.EqualValues(t, 40, got["total{job=a,region=eu,service.name=etl}"])
	require.EqualValues(t, 20, got["total{"+labelsA+"}"], "only what is new")
}

func TestCounters(t *testing.T) {
	type step struct {
		writer    string
		start, at int
		value     any
	}
	for name, c := range map[string]struct {
		temporality pmetric.AggregationTemporality
		steps       []step
		want        any
		duplicates  int64
	}{
		"deltas of two writers with one time": {
			deltas, []step{{"w1", 1, 2, 5}, {"w2", 1, 2, 3}}, int64(8), 0,
		},
		"a repeated delta": {
			deltas, []step{{"w1", 1, 2, 5}, {"w1", 1, 2, 5}}, int64(5), 1,
		},
		"deltas in any order": {
			deltas, []step{{"w1", 8, 9, 1}, {"w1", 1, 2, 5}, {"w1", 4, 8, 2}, {"w1", 8, 9, 1}}, int64(8), 1,
		},
		"deltas from an hour ahead and an hour behind": {
			deltas, []step{{"w1", 7200, 7201, 1}, {"w2", 1, 2, 2}, {"w3", 3600, 3601, 4}}, int64(7), 0,
		},
		"windows that overlap": {
			deltas, []step{{"w1", 1, 5, 1}, {"w1", 2, 5, 2}, {"w1", 1, 6, 4}}, int64(7), 0,
		},
		"windows without a start": {
			deltas, []step{{"w1", 0, 5, 1}, {"w1", 0, 6, 2}, {"w1", 0, 5, 1}}, int64(3), 1,
		},
		"an integer, then a float": {
			deltas, []step{{"w1", 1, 2, 1}, {"w2", 1, 2, 2.5}, {"w1", 2, 3, 1}}, 4.5, 0,
		},
		"large integers are exact": {
			deltas, []step{{"w1", 1, 2, 1 << 53}, {"w2", 1, 2, 1}}, int64(1<<53 + 1), 0,
		},
		"integers beyond 64 bits": {
			deltas, []step{{"w1", 1, 2, math.MaxInt64}, {"w2", 1, 2, math.MaxInt64}}, float64(1 << 64), 0,
		},
		"a cumulative writer": {
			cumulatives, []step{{"w1", 1, 2, 5}, {"w1", 1, 3, 7}, {"w1", 1, 4, 7}}, int64(7), 0,
		},
		"two cumulative writers": {
			cumulatives, []step{{"w1", 1, 2, 5}, {"w2", 1, 2, 3}, {"w1", 1, 3, 6}, {"w2", 1, 3, 4}}, int64(10), 0,
		},
		"a cumulative point that is repeated or late": {
			cumulatives, []step{{"w1", 1, 3, 7}, {"w1", 1, 3, 7}, {"w1", 1, 2, 5}, {"w1", 1, 4, 8}}, int64(8), 2,
		},
		"a cumulative writer whose clock is set back": {
			cumulatives, []step{{"w1", 5, 30, 10}, {"w1", 5, 8, 17}, {"w1", 5, 9, 18}, {"w1", 5, 9, 18}}, int64(18), 1,
		},
		"a late cumulative point from before a restart without start times": {
			cumulatives, []step{{"w1", 0, 3, 7}, {"w1", 0, 5, 2}, {"w1", 0, 4, 8}}, int64(9), 1,
		},
		"a cumulative writer that starts again": {
			cumulatives, []step{{"w1", 1, 3, 7}, {"w1", 10, 11, 2}, {"w1", 10, 12, 3}}, int64(10), 0,
		},
		"a late point from before a restart": {
			cumulatives, []step{{"w1", 1, 3, 7}, {"w1", 10, 11, 2}, {"w1", 1, 4, 9}}, int64(11), 0,
		},
		"a cumulative writer that starts again and keeps its start": {
			cumulatives, []step{{"w1", 0, 3, 7}, {"w1", 0, 4, 2}, {"w1", 0, 5, 3}}, int64(10), 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			for _, s := range c.steps {
				b := newBatch()
				point(sum(b.metric(s.writer, "runs"), c.temporality, true).DataPoints().AppendEmpty(), s.start, s.at, s.value)
				h.send(b.md)
			}
			require.Equal(t, c.want, last(h.emit()))
			require.Equal(t, c.duplicates, h.counts("duplicate")[""])
			require.Equal(t, int64(len(c.steps))-c.duplicates, h.counts("accepted")[""])
			h.stop()
			h.start()
			require.Equal(t, c.want, last(h.emit()), "after a restart")
		})
	}
}

func TestCumulativeWriterContinuesOverRestart(t *testing.T) {
	h := newHarness(t)
	send := func(at, v int) {
		b := newBatch()
		point(sum(b.metric("w1", "runs"), cumulatives, true).DataPoints().AppendEmpty(), 1, at, v)
		h.send(b.md)
	}
	send(2, 5)
	h.stop()
	h.start()
	send(3, 9)
	require.EqualValues(t, 9, last(h.emit()))
}

func TestStreamsOfOneWriterThatBecomeOneSeriesAreAdded(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		c.Metrics = one("runs", MetricConfig{MetricDefaults: MetricDefaults{Labels: &[]string{"job"}}})
	})
	b := newBatch()
	points := sum(b.metric("w1", "runs"), deltas, true).DataPoints()
	point(points.AppendEmpty(), 1, 2, 5, "job", "a", "run_id", "1")
	point(points.AppendEmpty(), 1, 2, 3, "job", "a", "run_id", "2")
	h.send(b.md)
	got := h.emit()
	require.Equal(t, labelsA, got[1].Labels)
	require.EqualValues(t, 8, got[1].Value)
}

func TestWriterWithoutAttributeIsTheResource(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.ResourceAttributes = &[]string{"service.name"} })
	send := func(instance string) {
		b := newBatch()
		m := b.metric("", "runs")
		b.md.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.instance.id", instance)
		point(sum(m, deltas, true).DataPoints().AppendEmpty(), 1, 2, 5, "job", "a")
		h.send(b.md)
	}
	send("1")
	send("2")
	send("2")
	got := h.emit()
	require.Equal(t, labelsA, got[1].Labels)
	require.EqualValues(t, 10, got[1].Value)
	require.EqualValues(t, 2, h.counts("writers")[""])
}

func TestWriterIsForgottenAfterItsHorizon(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Horizon = time.Minute })
	h.send(delta("w1", 1, 2, 5))
	for range 3 {
		h.emit()
	}
	h.send(delta("w1", 1, 2, 5))
	require.EqualValues(t, 5, last(h.emit()))
	require.EqualValues(t, 1, h.counts("writers")[""])
	for range 4 {
		h.emit()
	}
	require.EqualValues(t, 0, h.counts("writers")[""])
	require.EqualValues(t, 0, h.counts("writer_streams")[""])
}

func TestSumsOverLiveWriters(t *testing.T) {
	for name, send := range map[string]func(b batch, writer string, at, v int){
		"up-down counter, cumulative": func(b batch, writer string, at, v int) {
			point(sum(b.metric(writer, "open"), cumulatives, false).DataPoints().AppendEmpty(), 1, at, v)
		},
		"gauge": func(b batch, writer string, at, v int) {
			point(b.metric(writer, "open").SetEmptyGauge().DataPoints().AppendEmpty(), 0, at, v)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) { c.Horizon, c.Defaults.Gauge = time.Minute, GaugeSum })
			one := func(writer string, at, v int) {
				b := newBatch()
				send(b, writer, at, v)
				h.send(b.md)
			}
			one("w1", 2, 5)
			one("w2", 2, 3)
			require.EqualValues(t, 8, last(h.emit()))
			one("w1", 4, 2)
			one("w1", 3, 9)
			require.EqualValues(t, 5, last(h.emit()))
			h.stop()
			h.start()
			require.EqualValues(t, 5, last(h.emit()))
			for i := range 4 {
				one("w2", 5+i, 4)
				h.emit()
			}
			require.EqualValues(t, 4, last(h.emit()), "a silent writer has left")
		})
	}
	t.Run("up-down counter, delta", func(t *testing.T) {
		h := newHarness(t)
		for _, v := range []int{5, -2} {
			b := newBatch()
			point(sum(b.metric("w1", "open"), deltas, false).DataPoints().AppendEmpty(), 1, 10+v, v)
			h.send(b.md)
			h.send(b.md)
		}
		require.EqualValues(t, 3, last(h.emit()))
		require.EqualValues(t, 2, h.counts("duplicate")[""])
	})
}

func TestGaugeRules(t *testing.T) {
	for rule, want := range map[GaugeRule]int64{GaugeLast: 4, GaugeMaximum: 9, GaugeMinimum: 1} {
		t.Run(string(rule), func(t *testing.T) {
			h := newHarness(t, func(c *Config) { c.Metrics = one("state*", MetricConfig{MetricDefaults: MetricDefaults{Gauge: rule}}) })
			for _, p := range [][2]int{{5, 3}, {8, 4}, {2, 9}, {1, 1}, {8, 2}, {5, 3}} {
				b := newBatch()
				point(b.metric("w1", "state.timestamp").SetEmptyGauge().DataPoints().AppendEmpty(), 0, p[0], p[1])
				h.send(b.md)
			}
			got := h.emit()
			require.Len(t, got, 1, "a gauge has no zero")
			require.Equal(t, want, got[0].Value)
			h.stop()
			h.start()
			require.Equal(t, want, last(h.emit()))
		})
	}
}
