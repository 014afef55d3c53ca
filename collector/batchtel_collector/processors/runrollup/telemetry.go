package runrollup

import (
	"context"
	"math"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"batchtel/runrollup/internal/engine"
	"batchtel/runrollup/internal/metadata"
	"batchtel/runrollup/internal/state"
)

// telemetry records the metrics of the processor itself. documentation.md lists them.
type telemetry struct{ builder *metadata.TelemetryBuilder }

func newTelemetry(set component.TelemetrySettings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	return &telemetry{builder}, err
}

// observe registers the gauges of an engine and of its limits.
func (t *telemetry) observe(e *engine.Engine, limits Limits) error {
	gauge := func(read func(*state.State) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			e.View(func(s *state.State) { o.Observe(read(s)) })
			return nil
		}
	}
	limit := func(n uint64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(min(n, math.MaxInt64)))
			return nil
		}
	}
	for _, err := range []error{
		t.builder.RegisterProcessorRunRollupSeriesCallback(gauge(func(s *state.State) int64 { return int64(s.Len()) })),
		t.builder.RegisterProcessorRunRollupWritersCallback(gauge(func(s *state.State) int64 { return int64(s.Writers()) })),
		t.builder.RegisterProcessorRunRollupWriterStreamsCallback(
			gauge(func(s *state.State) int64 { return int64(s.Streams()) })),
		t.builder.RegisterProcessorRunRollupStateSizeCallback(gauge((*state.State).Bytes)),
		t.builder.RegisterProcessorRunRollupSeriesLimitCallback(limit(limits.Series)),
		t.builder.RegisterProcessorRunRollupWriterStreamsLimitCallback(limit(limits.WriterStreams)),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *telemetry) shutdown() { t.builder.Shutdown() }

func (t *telemetry) recovered(r engine.Recovery) {
	ctx := context.Background()
	t.builder.ProcessorRunRollupRecoveryTime.Record(ctx, r.Duration.Seconds())
	t.builder.ProcessorRunRollupDamaged.Add(ctx, int64(r.Damaged))
}

func (t *telemetry) committed(d time.Duration) {
	t.builder.ProcessorRunRollupCommitDuration.Record(context.Background(), d.Seconds())
}

func (t *telemetry) failed(ctx context.Context) {
	t.builder.ProcessorRunRollupFailedCommits.Add(ctx, 1)
}

func (t *telemetry) added(ctx context.Context, out state.Outcome) {
	for counter, n := range map[metric.Int64Counter]int{
		t.builder.ProcessorRunRollupAccepted:       out.Accepted,
		t.builder.ProcessorRunRollupDuplicate:      out.Duplicate,
		t.builder.ProcessorRunRollupOverflowed:     out.Overflowed,
		t.builder.ProcessorRunRollupRebucketed:     out.Rebucketed,
		t.builder.ProcessorRunRollupEvictedWriters: out.Evicted,
	} {
		if n > 0 {
			counter.Add(ctx, int64(n))
		}
	}
}

func (t *telemetry) rejected(ctx context.Context, r rejections) {
	for why, one := range r {
		t.builder.ProcessorRunRollupRejected.Add(
			ctx, int64(one.points), metric.WithAttributes(attribute.String("reason", string(why))))
	}
}

func (t *telemetry) emitted(ctx context.Context, expired, failed int) {
	if expired > 0 {
		t.builder.ProcessorRunRollupExpired.Add(ctx, int64(expired))
	}
	if failed > 0 {
		t.builder.ProcessorRunRollupFailedEmissions.Add(ctx, int64(failed))
	}
}
