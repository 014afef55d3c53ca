package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/state"
	"batchtel/runrollup/internal/value"
)

// benchRequest returns a request of one writer with this many points for different series.
func benchRequest(writer, points, series int) *record.Request {
	g := record.Group{
		Writer: key(uint64(writer)), Metric: counter, Limit: 1 << 40,
		Resource: labels("service.name", "etl"), Points: make([]record.Point, points),
	}
	for i := range g.Points {
		at := (writer*points + i) % series
		g.Points[i] = record.Point{
			Attributes: labels("job", fmt.Sprintf("job-%06d", at)), Stream: key(uint64(writer), uint64(i)), Start: 1, Time: uint64(writer + 2),
			Value: value.Value{Number: value.Integer(1)},
		}
	}
	return &record.Request{Groups: []record.Group{g}}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAdd measures requests of 50 points with fsync: points per second, points per CPU second and the latency of
// an acknowledgement, for one sender at a time and for 50 at once.
func BenchmarkAdd(b *testing.B) {
	for _, senders := range []int{1, 50} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			limits := settings
			limits.Streams = 1_000_000
			e := open(b, b.TempDir(), func(o *Options) { o.Fsync, o.Settings = true, limits })
			const points = 50
			latencies := make([]time.Duration, b.N)
			var next atomic.Int64
			before := cpuTime()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range senders {
				wg.Go(func() {
					for {
						i := int(next.Add(1)) - 1
						if i >= b.N {
							return
						}
						q := benchRequest(i, points, 1000)
						start := time.Now()
						if _, err := e.Add(context.Background(), q); err != nil {
							b.Error(err)
						}
						latencies[i] = time.Since(start)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			total := float64(b.N * points)
			slices.Sort(latencies)
			b.ReportMetric(total/b.Elapsed().Seconds(), "points/s")
			b.ReportMetric(total/(cpuTime()-before).Seconds(), "points/cpu-s")
			b.ReportMetric(float64(latencies[b.N/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(latencies[b.N*99/100].Microseconds())/1000, "p99-ms")
			require.NoError(b, e.Close())
		})
	}
}

// BenchmarkRecovery measures reading 100,000 series, from a snapshot and from the log, and the memory of the state.
func BenchmarkRecovery(b *testing.B) {
	for _, source := range []string{"snapshot", "log"} {
		b.Run(source, func(b *testing.B) {
			const series = 100_000
			dir := filepath.Join(b.TempDir(), "state")
			e := open(b, dir, func(o *Options) { o.SnapshotSize = 1 << 40 })
			for i := range series / 100 {
				add(b, e, benchRequest(i, 100, series))
			}
			if source == "snapshot" {
				require.NoError(b, e.Close())
			} else {
				abandon(b, e)
			}
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				at := filepath.Join(b.TempDir(), "copy")
				copyTree(b, dir, at)
				runtime.GC()
				var low, high runtime.MemStats
				runtime.ReadMemStats(&low)
				b.StartTimer()
				e, recovery := openReport(b, at)
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&high)
				require.Equal(b, series, recovery.Series)
				e.View(func(s *state.State) {
					b.ReportMetric(float64(s.Bytes())/series, "estimated-B/series")
				})
				b.ReportMetric(float64(high.HeapAlloc-low.HeapAlloc)/series, "B/series+stream")
				abandon(b, e)
			}
		})
	}
}

// BenchmarkRuns measures memory after many runs of 19 points, 100 a second, which are all remembered.
func BenchmarkRuns(b *testing.B) {
	for _, runs := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(runs), func(b *testing.B) {
			for range b.N {
				s := state.New()
				s.Set(record.Settings{Horizon: int64(time.Hour), Expiry: int64(24 * time.Hour)})
				var low, high runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&low)
				for i := range runs {
					q := benchRequest(i, 19, 100)
					q.Clock.Elapsed = int64(i) * int64(10*time.Millisecond)
					s.Add(q)
				}
				runtime.GC()
				runtime.ReadMemStats(&high)
				b.ReportMetric(float64(high.HeapAlloc-low.HeapAlloc)/1e6, "MB")
				b.ReportMetric(float64(s.Bytes())/1e6, "estimated-MB")
				b.ReportMetric(float64(high.HeapAlloc-low.HeapAlloc)/float64(runs), "B/run")
				runtime.KeepAlive(s)
			}
		})
	}
}
