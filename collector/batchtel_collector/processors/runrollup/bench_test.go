package runrollup

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"batchtel/runrollup/internal/metadata"
)

// benchBatch returns what one run of a job reports: 40 counter points and 10 histogram points of 15 buckets.
func benchBatch(writer int) pmetric.Metrics {
	b := newBatch()
	points := sum(b.metric(fmt.Sprint("writer", writer), "runs"), deltas, true).DataPoints()
	for i := range 40 {
		point(points.AppendEmpty(), 1, writer+2, 1, "job.name", fmt.Sprint("job", writer%20), "step.name", fmt.Sprint("step", i))
	}
	h := b.metric(fmt.Sprint("writer", writer), "duration").SetEmptyHistogram()
	h.SetAggregationTemporality(deltas)
	bounds, counts := make([]float64, 15), make([]uint64, 16)
	for i := range bounds {
		bounds[i] = float64(i + 1)
	}
	counts[writer%16] = 1
	for i := range 10 {
		p := h.DataPoints().AppendEmpty()
		p.Attributes().PutStr("job.name", fmt.Sprint("job", writer%20))
		p.Attributes().PutStr("step.name", fmt.Sprint("step", i))
		p.SetStartTimestamp(1)
		p.SetTimestamp(2)
		p.SetCount(1)
		p.SetSum(1)
		p.ExplicitBounds().FromRaw(bounds)
		p.BucketCounts().FromRaw(counts)
	}
	return b.md
}

func newBenchProcessor(b *testing.B, change func(*Config)) *rollup {
	cfg := createDefaultConfig().(*Config)
	cfg.Directory = b.TempDir()
	change(cfg)
	p, err := newProcessor(processortest.NewNopSettings(metadata.Type), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
	return p
}

// BenchmarkConsumeMetrics measures requests of 50 points from 1, 10 and 50 senders at once, with fsync.
func BenchmarkConsumeMetrics(b *testing.B) {
	for _, senders := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			p := newBenchProcessor(b, func(*Config) {})
			requests := make(chan pmetric.Metrics, b.N)
			for i := range b.N {
				requests <- benchBatch(i)
			}
			close(requests)
			before := cpuTime()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range senders {
				wg.Go(func() {
					for md := range requests {
						if err := p.ConsumeMetrics(context.Background(), md); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N*50)/b.Elapsed().Seconds(), "points/s")
			b.ReportMetric(float64(b.N*50)/(cpuTime()-before).Seconds(), "points/cpu-s")
		})
	}
}

// BenchmarkLatency measures acknowledgements at 1,000 points a second: 20 requests of 50 points a second.
func BenchmarkLatency(b *testing.B) {
	p := newBenchProcessor(b, func(c *Config) { c.Interval = time.Second })
	ticker := time.NewTicker(time.Second / 20)
	defer ticker.Stop()
	latencies := make([]time.Duration, b.N)
	for i := range b.N {
		md := benchBatch(i)
		<-ticker.C
		start := time.Now()
		require.NoError(b, p.ConsumeMetrics(context.Background(), md))
		latencies[i] = time.Since(start)
	}
	slices.Sort(latencies)
	b.ReportMetric(float64(latencies[b.N/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(latencies[b.N*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkEmission measures one emission of 100,000 series.
func BenchmarkEmission(b *testing.B) {
	p := newBenchProcessor(b, func(c *Config) {
		limit := uint64(0)
		c.Interval, c.Defaults.Limit, c.Limits.Series = time.Hour, &limit, 0
	})
	for i := range 1000 {
		md := newBatch()
		points := sum(md.metric(fmt.Sprint(i), "runs"), deltas, true).DataPoints()
		for j := range 100 {
			point(points.AppendEmpty(), 1, 2, 1, "job.name", fmt.Sprint("job", i), "step.name", fmt.Sprint("step", j))
		}
		require.NoError(b, p.ConsumeMetrics(context.Background(), md.md))
	}
	p.emit(context.Background(), p.engine)
	for b.Loop() {
		p.emit(context.Background(), p.engine)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
