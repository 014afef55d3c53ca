package runrollup

import (
	"context"
	"slices"

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

// emit sends every live series with one timestamp. A series whose zero is not delivered yet is sent in a call of its
// own kind, together with its zero, so that an error there concerns new series only.
func (p *rollup) emit(ctx context.Context, e *engine.Engine) {
	at, ended, err := e.Emit(ctx)
	if err != nil {
		p.logger.Warn("The emission cannot be recorded; series do not expire until it can", zap.Error(err))
	}
	if at == 0 {
		return
	}
	failed := 0
	for from, more := 0, true; more; {
		out := newOutput(at)
		for end := from + part; more && from < end; from += locked {
			e.View(func(s *state.State) {
				series := s.Range(from, from+locked)
				more = len(series) == locked
				for _, x := range series {
					if x.Delivered() {
						out.add(x, s.Exemplars(x), false)
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
		err := p.send(ctx, out)
		if err != nil {
			failed++
		}
		if err != nil && !consumererror.IsPermanent(err) {
			// The next component is away. Each further call would wait for it as long as this one did.
			p.telemetry.emitted(ctx, len(ended), failed)
			return
		}
	}
	failed += p.emitNew(ctx, e, at)
	p.telemetry.emitted(ctx, len(ended), failed)
}

// emitNew sends the series whose zero is not delivered: those that were sent before without success or confirmation,
// then those that are sent for the first time.
func (p *rollup) emitNew(ctx context.Context, e *engine.Engine, at int64) (failed int) {
	var again, first []*state.Series
	e.View(func(s *state.State) {
		for _, x := range s.Fresh() {
			switch {
			case x.Born() >= at || x.Empty():
			case x.Born() < s.Previous():
				again = append(again, x)
			default:
				first = append(first, x)
			}
		}
	})
	for chunk := range slices.Chunk(again, part) {
		err := p.send(ctx, p.newSeries(e, at, chunk, true))
		if consumererror.IsPermanent(err) {
			// The next component may have the zero already, and refuse it because it is older than what it has.
			err = p.send(ctx, p.newSeries(e, at, chunk, false))
		}
		failed += p.delivered(ctx, e, chunk, err)
	}
	for chunk := range slices.Chunk(first, part) {
		failed += p.delivered(ctx, e, chunk, p.send(ctx, p.newSeries(e, at, chunk, true)))
	}
	return failed
}

func (p *rollup) newSeries(e *engine.Engine, at int64, chunk []*state.Series, zero bool) *output {
	out := newOutput(at)
	for some := range slices.Chunk(chunk, locked) {
		e.View(func(s *state.State) {
			for _, x := range some {
				out.add(x, s.Exemplars(x), zero)
			}
		})
	}
	return out
}

// delivered records that the zeros of the series are delivered. It returns the number of failed calls, 0 or 1.
func (p *rollup) delivered(ctx context.Context, e *engine.Engine, chunk []*state.Series, err error) int {
	if err != nil {
		return 1
	}
	ids := make([]uint64, len(chunk))
	for i, x := range chunk {
		ids[i] = x.ID
	}
	if err := e.Deliver(ctx, ids); err != nil {
		p.logger.Warn("Delivered series cannot be recorded; after a crash their zero is sent again", zap.Error(err))
	}
	return 0
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
