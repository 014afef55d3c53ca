package runrollup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"batchtel/runrollup/internal/metadata"
)

const labelsA = "job=a,service.name=etl"

// values returns the last value per label set.
func values(list []sample) map[string]any {
	result := map[string]any{}
	for _, s := range list {
		result[s.Name+"{"+s.Labels+"}"] = s.Value
	}
	return result
}

func TestNewSeriesIsPrecededByZeroAndEveryEmissionRepeatsIt(t *testing.T) {
	h := newHarness(t)
	begin := h.clock.now()
	h.send(delta("w1", 1, 2, 5))
	born := begin.Add(-h.cfg.Interval)
	require.Equal(t, []sample{
		{"runs", labelsA, born, born, int64(0), false},
		{"runs", labelsA, begin.Add(h.cfg.Interval), born, int64(5), false},
	}, h.emit())
	h.send(delta("w2", 1, 2, 3))
	require.Equal(t, []sample{{"runs", labelsA, begin.Add(2 * h.cfg.Interval), born, int64(8), false}}, h.emit())
	require.Equal(t, []sample{{"runs", labelsA, begin.Add(3 * h.cfg.Interval), born, int64(8), false}}, h.emit())

	// A series that appears later has its zero just after the emission before.
	h.send(delta("w1", 2, 3, 1, "job", "b"))
	got := h.emit()
	require.Len(t, got, 3)
	require.Equal(t, begin.Add(3*h.cfg.Interval+time.Millisecond), got[1].Time)
	require.Equal(t, got[1].Time, got[1].Start)
	require.EqualValues(t, 0, got[1].Value)
	require.EqualValues(t, 1, got[2].Value)
}

func TestTotalsAndStartTimesContinueAfterRestart(t *testing.T) {
	h := newHarness(t)
	h.send(delta("w1", 1, 2, 5))
	before := h.emit()[1]
	h.stop()
	h.start()
	h.send(delta("w1", 1, 2, 5))
	h.send(delta("w1", 2, 3, 2))
	after := h.emit()
	require.Len(t, after, 1)
	require.Equal(t, before.Start, after[0].Start)
	require.EqualValues(t, 7, after[0].Value)
}

func TestShutdownEmitsALastTime(t *testing.T) {
	h := newHarness(t)
	h.send(delta("w1", 1, 2, 5))
	h.clock.pass(time.Second)
	h.stop()
	got := samples(h.sink.drain())
	require.Len(t, got, 2)
	require.EqualValues(t, 5, got[1].Value)
	require.ErrorContains(t, (&rollup{}).ConsumeMetrics(context.Background(), delta("w", 1, 2, 1)), "shut down")
}

func TestShutdownDoesNotWaitForANextComponentThatHangs(t *testing.T) {
	h := newHarness(t)
	h.send(delta("w1", 1, 2, 5))
	h.clock.pass(time.Second)
	h.sink.hang, h.p.grace = true, 10*time.Millisecond
	h.stop()
	h.sink.hang = false
	h.start()
	h.clock.pass(time.Second)
	require.EqualValues(t, 5, last(h.emit()))
}

func TestIdleSeriesEndsWithStaleMarkerAndReturnsAtZero(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Horizon, c.Expiry = 30*time.Second, time.Minute })
	h.send(delta("w1", 1, 2, 5))
	first := h.emit()[0].Start
	for range 2 {
		require.Len(t, h.emit(), 1)
	}
	ended := h.emit()
	require.Len(t, ended, 1)
	require.True(t, ended[0].Stale)
	require.Equal(t, first, ended[0].Start)
	require.Empty(t, h.emit())

	h.send(delta("w1", 60, 70, 2))
	again := h.emit()
	require.Len(t, again, 2)
	require.EqualValues(t, 0, again[0].Value)
	require.True(t, again[0].Time.After(ended[0].Time))
	require.EqualValues(t, 2, again[1].Value)
	require.Equal(t, again[0].Time, again[1].Start)
}

func TestFailureOfNextComponentLosesNothing(t *testing.T) {
	h := newHarness(t)
	h.sink.fail = errNext
	h.sink.failNext = 1
	h.send(delta("w1", 1, 2, 5))
	require.Empty(t, h.emit())
	h.send(delta("w1", 2, 3, 1))
	got := h.emit()
	require.Len(t, got, 2, "the zero is sent again")
	require.EqualValues(t, 0, got[0].Value)
	require.EqualValues(t, 6, got[1].Value)

	h.sink.failNext = 1
	h.send(delta("w1", 3, 4, 1))
	require.Empty(t, h.emit())
	require.EqualValues(t, 7, h.emit()[0].Value)
}

func TestZeroThatIsNotAcceptedDelaysItsOwnSeriesOnly(t *testing.T) {
	h := newHarness(t)
	h.send(delta("w1", 1, 2, 5))
	h.emit()
	h.send(delta("w1", 1, 2, 5, "job", "b"))
	h.sink.fail, h.sink.failNext = errNext, 1
	require.Equal(t, one("runs{"+labelsA+"}", any(int64(5))), values(h.emit()), "only the new series waits")
	require.EqualValues(t, 1, h.counts("failed_emissions")[""])
	h.sink.fail, h.sink.failNext = consumererror.NewPermanent(errNext), 1
	require.Len(t, h.emit(), 2, "a call that is refused for good concerns its own series only")
	require.Len(t, h.emit(), 2)
}

func TestZeroThatNextComponentHasAlreadyIsNotSentForEver(t *testing.T) {
	h := newHarness(t)
	// The next component has stored the first call, but its answer was lost.
	h.sink.fail, h.sink.failNext = errNext, 1
	h.send(delta("w1", 1, 2, 5))
	require.Empty(t, h.emit())
	// Then it refuses the zero because it is old.
	h.sink.fail, h.sink.failNext = consumererror.NewPermanent(errNext), 1
	got := h.emit()
	require.Len(t, got, 1)
	require.EqualValues(t, 5, got[0].Value)
	require.Len(t, h.emit(), 1)
}

// head refuses a call for good when one of its samples is older than the newest of its series, as Prometheus does, which
// then stores nothing of the request.
type head map[string]sample

func (h head) store(md pmetric.Metrics) error {
	after := maps.Clone(h)
	for _, x := range samples([]pmetric.Metrics{md}) {
		key := x.Name + x.Labels
		if newest, ok := after[key]; ok && (x.Time.Before(newest.Time) || x.Time.Equal(newest.Time) && x.Value != newest.Value) {
			return consumererror.NewPermanent(errors.New("out of order sample"))
		}
		after[key] = x
	}
	maps.Copy(h, after)
	return nil
}

func TestEachNewSeriesHasItsZeroWhateverBecameOfTheCallsBefore(t *testing.T) {
	h, stored := newHarness(t), head{}
	h.sink.store = func(md pmetric.Metrics) error {
		require.NoError(t, stored.store(md))
		return errNext // the answer is lost
	}
	h.send(delta("w1", 1, 2, 5, "job", "a"))
	require.Empty(t, h.emit())
	h.sink.fail, h.sink.failNext = errNext, 1 // the next component is away
	h.send(delta("w1", 1, 2, 7, "job", "b"))
	require.Empty(t, h.emit())
	h.sink.store = stored.store
	got := h.emit()
	require.Len(t, got, 4)
	for _, x := range []sample{got[0], got[2]} {
		require.EqualValues(t, 0, x.Value)
	}
	require.Equal(t, map[string]any{"runs{" + labelsA + "}": int64(5), "runs{job=b,service.name=etl}": int64(7)}, values(got))
	require.Len(t, h.emit(), 2)
}

func TestSeriesOfWhichTheNextComponentHasLaterValues(t *testing.T) {
	h, stored := newHarness(t), head{}
	h.sink.store = stored.store
	for i := range 40 {
		h.send(delta("w1", 1, 2, 5, "job", fmt.Sprint(i)))
	}
	// From before the state was lost.
	for i := range 3 {
		stored[fmt.Sprintf("runsjob=%d,service.name=etl", i*10)] = sample{Time: h.clock.now().Add(time.Second)}
	}
	got := h.emit()
	require.Len(t, got, 37*2+3, "only these go on without a zero")
	require.Len(t, h.emit(), 40)
}

func TestEmissionTimesFollowClockSteps(t *testing.T) {
	h := newHarness(t)
	h.send(delta("w1", 1, 2, 5))
	last := h.emit()[1].Time
	h.clock.step(-5 * time.Minute)
	got := h.emit()
	require.Equal(t, last.Add(time.Millisecond), got[0].Time, "never an old sample after a small step back")
	h.clock.step(-time.Hour)
	got = h.emit()
	require.Equal(t, h.clock.now(), got[0].Time, "the system clock is followed after a large step back")
	h.send(delta("w1", 2, 3, 1, "job", "b"))
	require.Len(t, h.emit(), 3)
	h.clock.step(10000 * time.Hour)
	got = h.emit()
	require.Len(t, got, 2, "a step forward expires nothing")
	require.False(t, got[0].Stale)
}

func TestTwoInstancesWithTheirOwnDirectories(t *testing.T) {
	one, two := newHarness(t), newHarness(t)
	one.send(delta("w1", 1, 2, 5))
	two.send(delta("w1", 1, 2, 3))
	require.EqualValues(t, 5, one.emit()[1].Value)
	require.EqualValues(t, 3, two.emit()[1].Value)

	factory := NewFactory()
	third, err := factory.CreateMetrics(
		context.Background(), processortest.NewNopSettings(metadata.Type), one.cfg, consumertest.NewNop())
	require.NoError(t, err)
	err = third.Start(context.Background(), componenttest.NewNopHost())
	require.ErrorContains(t, err, fmt.Sprintf("the directory %q cannot be locked", one.cfg.Directory))
	require.NoError(t, third.Shutdown(context.Background()))
}

func TestProcessorEmitsByItself(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Directory, cfg.Interval = t.TempDir(), 10*time.Millisecond
	next := new(consumertest.MetricsSink)
	p, err := NewFactory().CreateMetrics(context.Background(), processortest.NewNopSettings(metadata.Type), cfg, next)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, p.ConsumeMetrics(context.Background(), delta("w1", 1, 2, 5)))
	require.Eventually(t, func() bool { return len(next.AllMetrics()) >= 3 }, 10*time.Second, time.Millisecond)
	require.NoError(t, p.Shutdown(context.Background()))
}
