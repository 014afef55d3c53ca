package runrollup

import (
	"context"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"

	"batchtel/runrollup/internal/engine"
	"batchtel/runrollup/internal/state"
)

const (
	// part is the number of series that are sent in one call.
	part = 5000
	// locked is the number of series that are read at once. Requests wait meanwhile, about 1 ms.
	locked = 500
)

// emit sends every live series with one timestamp: the zeros of new series first, then the values of all.
func (p *rollup) emit(ctx context.Context, e *engine.Engine) {
	at, ended, err := e.Emit(ctx)
	if err != nil {
		p.logger.Warn("The emission cannot be recorded; series do not expire until it can", zap.Error(err))
	}
	if at == 0 {
		return
	}
	b := p.begin(e, at)
	away := b.zeros(ctx)
	failed, err := p.values(ctx, e, at, ended)
	if away == nil && err == nil {
		b.goOn(ctx)
	}
	p.telemetry.emitted(ctx, len(ended), failed+b.failed)
}

// values sends the values of all series whose zero is delivered, and the stale markers of those that ended. It returns the
// number of failed calls. After an error the next component is away: each further call would wait for it as long.
func (p *rollup) values(ctx context.Context, e *engine.Engine, at int64, ended []*state.Series) (failed int, err error) {
	for from, more := 0, true; more; {
		out := newOutput(at)
		for end := from + part; more && from < end; from += locked {
			e.View(func(s *state.State) {
				series := s.Range(from, from+locked)
				more = len(series) == locked
				for _, x := range series {
					if x.Delivered() {
						out.add(x, s.Exemplars(x))
					}
				}
			})
		}
		if !more {
			for _, x := range ended {
				if x.Delivered() {
					out.end(x)
				}
			}
		}
		if err := p.send(ctx, out); err != nil {
			failed++
			if !consumererror.IsPermanent(err) {
				return failed, err
			}
		}
	}
	return failed, nil
}

// send passes the output on.
func (p *rollup) send(ctx context.Context, out *output) error {
	if out.metrics.DataPointCount() == 0 {
		return nil
	}
	err := p.next.ConsumeMetrics(ctx, out.metrics)
	if err != nil {
		p.logger.Warn("A part of the emission is not accepted; the next emission repeats its values",
			zap.Bool("permanent", consumererror.IsPermanent(err)), zap.Error(err))
	}
	return err
}
