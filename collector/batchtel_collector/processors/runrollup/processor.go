package runrollup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/zap"

	"batchtel/runrollup/internal/engine"
	"batchtel/runrollup/internal/record"
)

// rollup is one instance of the processor.
type rollup struct {
	cfg       *Config
	logger    *zap.Logger
	next      consumer.Metrics
	intake    *intake
	telemetry *telemetry

	// mu protects engine, which is nil before Start and after Shutdown.
	mu     sync.RWMutex
	engine *engine.Engine

	cancel context.CancelFunc
	done   chan struct{}
	stop   chan struct{}
	// options may be changed by tests before Start.
	options func(*engine.Options)
	// grace is shutdownGrace except in tests.
	grace time.Duration
}

var _ processor.Metrics = (*rollup)(nil)

func newProcessor(set processor.Settings, cfg *Config, next consumer.Metrics) (*rollup, error) {
	t, err := newTelemetry(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &rollup{
		cfg: cfg, logger: set.Logger, next: next, intake: newIntake(cfg), telemetry: t, options: func(*engine.Options) {}, grace: shutdownGrace,
	}, nil
}

// Capabilities reports that received data is not changed: what is emitted is new.
func (p *rollup) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// Start reads the state and begins to emit.
func (p *rollup) Start(context.Context, component.Host) error {
	options := engine.Options{
		Directory: p.cfg.Directory, Fsync: p.cfg.Fsync, Logger: p.logger, Committed: p.telemetry.committed,
		Settings: record.Settings{
			Horizon: int64(p.cfg.Horizon), Expiry: int64(p.cfg.Expiry), Interval: int64(p.cfg.Interval),
			Series: p.cfg.Limits.Series, Metrics: p.cfg.Limits.Metrics, Streams: p.cfg.Limits.WriterStreams,
		},
	}
	p.options(&options)
	e, recovery, err := engine.Open(options)
	if err != nil {
		return err
	}
	p.logger.Info("State is read", zap.Int("series", recovery.Series), zap.Int("records", recovery.Records),
		zap.Int("damaged_parts", recovery.Damaged), zap.Duration("duration", recovery.Duration))
	p.telemetry.recovered(recovery)
	if err := p.telemetry.observe(e, p.cfg.Limits); err != nil {
		return errors.Join(err, e.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	p.engine = e
	p.mu.Unlock()
	p.cancel, p.stop, p.done = cancel, make(chan struct{}), make(chan struct{})
	go p.run(ctx, e)
	return nil
}

// run emits once per interval.
func (p *rollup) run(ctx context.Context, e *engine.Engine) {
	defer close(p.done)
	ticker := time.NewTicker(p.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.emit(ctx, e)
		}
	}
}

// shutdownGrace is the time after which a shutdown no longer waits for the next component: nothing is lost by that, and a
// collector has to end within the grace of its supervisor together with all its exporters.
const shutdownGrace = 10 * time.Second

// Shutdown emits a last time and writes a snapshot. What the next component does not accept within grace is not lost: the
// next start continues with the same totals.
func (p *rollup) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	e := p.engine
	p.engine = nil
	p.mu.Unlock()
	if e == nil {
		p.telemetry.shutdown()
		return nil
	}
	close(p.stop)
	ctx, cancel := context.WithTimeout(ctx, p.grace)
	defer cancel()
	select {
	case <-p.done:
		p.emit(ctx, e)
	case <-ctx.Done():
		p.cancel()
		<-p.done
	}
	p.cancel()
	p.telemetry.shutdown()
	return e.Close()
}

// ConsumeMetrics stores the points and returns when they are on disk. Each point that cannot be accepted is counted by
// reason; the others are stored. An error means that nothing of the request is stored, and that the sender should send
// it again.
func (p *rollup) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.engine == nil {
		return engine.ErrClosed
	}
	r := p.intake.read(md)
	if len(r.request.Groups) > 0 {
		out, err := p.engine.Add(ctx, r.request)
		if err != nil {
			p.telemetry.failed(ctx)
			return fmt.Errorf("nothing of this request is stored, send it again: %w", err)
		}
		r.rejected.add(reasonTooOld, out.TooOld.Metric, out.TooOld.Points)
		r.rejected.add(reasonTooManyMetric, out.TooManyMetrics.Metric, out.TooManyMetrics.Points)
		r.rejected.add(reasonKind, out.WrongKind.Metric, out.WrongKind.Points)
		out.Rebucketed += r.rebucketed
		p.telemetry.added(ctx, out)
	}
	p.telemetry.rejected(ctx, r.rejected)
	r.rejected.log(p.logger)
	return nil
}
