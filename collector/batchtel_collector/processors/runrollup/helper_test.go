package runrollup

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"batchtel/runrollup/internal/engine"
	"batchtel/runrollup/internal/metadata"
)

// clock is the time that a processor under test uses.
type clock struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
}

func newClock() *clock { return &clock{wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

// sink is a next component that can fail.
type sink struct {
	mu   sync.Mutex
	fail error
	// calls counts calls; failNext makes that many calls fail with fail.
	failNext int
	got      []pmetric.Metrics
	// hang makes calls wait until their context ends.
	hang bool
	// store decides about calls that do not fail, if it is set.
	store func(pmetric.Metrics) error
}

func (s *sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if s.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failNext > 0 {
		s.failNext--
		return s.fail
	}
	if s.store != nil {
		if err := s.store(md); err != nil {
			return err
		}
	}
	copied := pmetric.NewMetrics()
	md.CopyTo(copied)
	s.got = append(s.got, copied)
	return nil
}

func (s *sink) drain() []pmetric.Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// harness is a processor that emits when the test wants it to.
type harness struct {
	t     *testing.T
	cfg   *Config
	clock *clock
	sink  *sink
	p     *rollup
	tel   *componenttest.Telemetry
	base  time.Duration
}

func newHarness(t *testing.T, change ...func(*Config)) *harness {
	cfg := createDefaultConfig().(*Config)
	cfg.Directory, cfg.Fsync = t.TempDir(), false
	for _, c := range change {
		c(cfg)
	}
	require.NoError(t, cfg.Validate())
	h := &harness{t: t, cfg: cfg, clock: newClock(), sink: &sink{}}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *harness) start() {
	h.t.Helper()
	h.tel = componenttest.NewTelemetry()
	set := processortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = h.tel.NewTelemetrySettings()
	p, err := newProcessor(set, h.cfg, h.sink)
	require.NoError(h.t, err)
	base := h.clock.elapsed
	p.options = func(o *engine.Options) {
		o.Now = h.clock.now
		o.Elapsed = func() time.Duration {
			h.clock.mu.Lock()
			defer h.clock.mu.Unlock()
			return h.clock.elapsed - base
		}
	}
	require.NoError(h.t, p.Start(context.Background(), componenttest.NewNopHost()))
	h.p = p
}

func (h *harness) stop() {
	if h.p == nil {
		return
	}
	require.NoError(h.t, h.p.Shutdown(context.Background()))
	require.NoError(h.t, h.tel.Shutdown(context.Background()))
	h.p = nil
}

func (h *harness) send(md pmetric.Metrics) {
	h.t.Helper()
	md.MarkReadOnly()
	require.NoError(h.t, h.p.ConsumeMetrics(context.Background(), md))
}

// emit lets an interval pass and returns what is emitted.
func (h *harness) emit() []sample {
	h.t.Helper()
	h.emitAll()
	return samples(h.sink.drain())
}

// emitAll lets an interval pass and emits into the sink.
func (h *harness) emitAll() {
	h.clock.pass(h.cfg.Interval)
	h.sink.drain()
	h.p.emit(context.Background(), h.p.engine)
}

// sample is one emitted point in a form that compares well.
type sample struct {
	Name   string
	Labels string
	Time   time.Time
	Start  time.Time
	Value  any
	Stale  bool
}

func samples(mds []pmetric.Metrics) (result []sample) {
	for _, md := range mds {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					one := func(attributes pcommon.Map, start, at pcommon.Timestamp, v any, flags pmetric.DataPointFlags) {
						labels := pcommon.NewMap()
						rm.Resource().Attributes().CopyTo(labels)
						for k, v := range attributes.All() {
							v.CopyTo(labels.PutEmpty(k))
						}
						s := sample{Name: m.Name(), Labels: text(labels), Time: at.AsTime(), Value: v, Stale: flags.NoRecordedValue()}
						if start != 0 {
							s.Start = start.AsTime()
						}
						result = append(result, s)
					}
					points(m, one)
				}
			}
		}
	}
	return sorted(result)
}

// sorted returns the samples by series and time.
func sorted(list []sample) []sample {
	slices.SortStableFunc(list, func(a, b sample) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Labels, b.Labels), a.Time.Compare(b.Time))
	})
	return list
}

func points(m pmetric.Metric, f func(pcommon.Map, pcommon.Timestamp, pcommon.Timestamp, any, pmetric.DataPointFlags)) {
	number := func(list pmetric.NumberDataPointSlice) {
		for _, p := range list.All() {
			var v any = p.IntValue()
			if p.ValueType() == pmetric.NumberDataPointValueTypeDouble {
				v = p.DoubleValue()
			}
			f(p.Attributes(), p.StartTimestamp(), p.Timestamp(), v, p.Flags())
		}
	}
	switch m.Type() {
	case pmetric.MetricTypeSum:
		number(m.Sum().DataPoints())
	case pmetric.MetricTypeGauge:
		number(m.Gauge().DataPoints())
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			f(p.Attributes(), p.StartTimestamp(), p.Timestamp(), p.BucketCounts().AsRaw(), p.Flags())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			f(p.Attributes(), p.StartTimestamp(), p.Timestamp(), p.Count(), p.Flags())
		}
	}
}

func text(m pcommon.Map) string {
	var parts []string
	for k, v := range m.All() {
		parts = append(parts, k+"="+v.AsString())
	}
	sort.Strings(parts)
	result := ""
	for i, p := range parts {
		if i > 0 {
			result += ","
		}
		result += p
	}
	return result
}

// batch builds received metrics.
type batch struct{ md pmetric.Metrics }

func newBatch() batch { return batch{pmetric.NewMetrics()} }

// metric adds a metric from a writer; an empty writer sets no attribute.
func (b batch) metric(writer, name string) pmetric.Metric {
	rm := b.md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "etl")
	if writer != "" {
		rm.Resource().Attributes().PutStr("batchtel.writer", writer)
	}
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	return m
}

func sum(m pmetric.Metric, t pmetric.AggregationTemporality, monotonic bool) pmetric.Sum {
	s := m.SetEmptySum()
	s.SetAggregationTemporality(t)
	s.SetIsMonotonic(monotonic)
	return s
}

const (
	deltas      = pmetric.AggregationTemporalityDelta
	cumulatives = pmetric.AggregationTemporalityCumulative
)

// point sets a number point. Times are in seconds; v is an int or a float64.
func point(p pmetric.NumberDataPoint, start, at int, v any, labels ...string) {
	p.SetStartTimestamp(pcommon.Timestamp(start) * 1e9)
	p.SetTimestamp(pcommon.Timestamp(at) * 1e9)
	switch v := v.(type) {
	case int:
		p.SetIntValue(int64(v))
	case float64:
		p.SetDoubleValue(v)
	}
	for i := 0; i < len(labels); i += 2 {
		p.Attributes().PutStr(labels[i], labels[i+1])
	}
}

// delta returns one delta point of the counter "runs" with the label job=a.
func delta(writer string, start, at int, v any, labels ...string) pmetric.Metrics {
	b := newBatch()
	if len(labels) == 0 {
		labels = []string{"job", "a"}
	}
	point(sum(b.metric(writer, "runs"), deltas, true).DataPoints().AppendEmpty(), start, at, v, labels...)
	return b.md
}

var errNext = errors.New("not now")
