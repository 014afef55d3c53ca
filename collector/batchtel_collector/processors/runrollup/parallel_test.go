package runrollup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestParallelWritersWithRepetitionsOverRestarts sends deltas of 20 writers whose clocks are up to an hour off, each
// delta one to three times, while the processor emits and is restarted. The total and the increase over everything that
// was emitted are those of the distinct deltas.
func TestParallelWritersWithRepetitionsOverRestarts(t *testing.T) {
	const writers, each, restarts = 20, 100, 5
	h := newHarness(t)
	// current is replaced by each restart.
	var (
		mu      sync.RWMutex
		current = h.p
	)
	send := func(writer string, at, v int, job string) {
		for {
			mu.RLock()
			p := current
			mu.RUnlock()
			if p.ConsumeMetrics(context.Background(), delta(writer, at, at+1, v, "job", job)) == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	want := map[string]any{}
	totals := map[string]int64{}
	var wg sync.WaitGroup
	for w := range writers {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		offset := 10_000 + random.IntN(7200) - 3600
		type one struct {
			at, v int
			job   string
		}
		var list []one
		for i := range each {
			d := one{offset + i, random.IntN(100), fmt.Sprint("job", random.IntN(4))}
			totals["runs{job="+d.job+",service.name=etl}"] += int64(d.v)
			for range 1 + random.IntN(3) {
				list = append(list, d)
			}
		}
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		wg.Go(func() {
			for _, d := range list {
				send(fmt.Sprint("writer", w), d.at, d.v, d.job)
			}
		})
	}
	for key, v := range totals {
		want[key] = v
	}
	sent := make(chan struct{})
	go func() { wg.Wait(); close(sent) }()
	for i := 0; ; i++ {
		h.clock.pass(h.cfg.Interval)
		h.p.emit(context.Background(), h.p.engine)
		if i < restarts {
			h.stop()
			h.start()
			mu.Lock()
			current = h.p
			mu.Unlock()
		}
		select {
		case <-sent:
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	h.clock.pass(h.cfg.Interval)
	h.p.emit(context.Background(), h.p.engine)
	all := samples(h.sink.drain())
	require.Equal(t, want, values(all))
	require.Equal(t, want, increases(t, all))
}

// increases returns what increase() of Prometheus shows for each series over all samples, and checks that each series
// begins with zero, rises in time and value and keeps its start time.
func increases(t *testing.T, list []sample) map[string]any {
	t.Helper()
	result := map[string]any{}
	var before sample
	for _, s := range list {
		key := s.Name + "{" + s.Labels + "}"
		if s.Labels != before.Labels {
			require.EqualValues(t, 0, s.Value, "the first sample")
			result[key] = int64(0)
		} else {
			require.True(t, s.Time.After(before.Time))
			require.GreaterOrEqual(t, s.Value.(int64), before.Value.(int64), "no reset")
			require.Equal(t, before.Start, s.Start)
			result[key] = result[key].(int64) + s.Value.(int64) - before.Value.(int64)
		}
		before = s
	}
	return result
}

// TestReshardKeepsTheSumOfIncreases routes jobs to one, three and one instances again.
func TestReshardKeepsTheSumOfIncreases(t *testing.T) {
	instances := []*harness{newHarness(t), newHarness(t), newHarness(t)}
	all := make([][]sample, len(instances))
	want, at := int64(0), 1
	for _, active := range []int{1, 3, 2, 3, 1} {
		for range 20 {
			for job := range 6 {
				at++
				want += int64(job)
				instances[job%active].send(delta("w1", at, at+1, job, "job", fmt.Sprint(job)))
			}
			for i, h := range instances {
				all[i] = append(all[i], h.emit()...)
			}
		}
	}
	got := int64(0)
	for _, list := range all {
		for _, v := range increases(t, sorted(list)) {
			got += v.(int64)
		}
	}
	require.Equal(t, want, got)
}
