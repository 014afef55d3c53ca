package runrollup

import (
	"context"
	"slices"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.uber.org/zap"

	"batchtel/runrollup/internal/engine"
	"batchtel/runrollup/internal/state"
)

// maxSplits bounds how often calls of one emission are halved.
const maxSplits = 100

// beginning sends the zeros of the new series of one emission, in calls of their own. A series has its first value sent
// only after it is on disk that the next component has its zero. So a zero that is sent again after a crash is the newest
// sample of its series, which Prometheus accepts twice; with the value behind it, Prometheus would refuse the whole call,
// and series that it does not have yet would go on without their zero.
type beginning struct {
	*rollup
	engine *engine.Engine
	at     int64
	failed int
	splits int
	// refused are series whose zero alone was refused for good.
	refused []*state.Series
}

func (p *rollup) begin(e *engine.Engine, at int64) *beginning {
	return &beginning{rollup: p, engine: e, at: at, splits: maxSplits}
}

// zeros sends them. After an error the next component is away: each further call would wait for it as long.
func (b *beginning) zeros(ctx context.Context) error {
	var fresh []*state.Series
	b.engine.View(func(s *state.State) {
		for _, x := range s.Fresh() {
			if x.Born() < b.at && !x.Empty() {
				fresh = append(fresh, x)
			}
		}
	})
	for chunk := range slices.Chunk(fresh, part) {
		if err := b.chunk(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// chunk sends some of them. Where the call is refused for good it is halved, until what cannot be sent is alone.
func (b *beginning) chunk(ctx context.Context, chunk []*state.Series) error {
	out := newOutput(b.at)
	b.each(chunk, func(_ *state.State, x *state.Series) { out.zero(x) })
	err := b.send(ctx, out)
	if err == nil {
		b.deliver(ctx, chunk)
		return nil
	}
	b.failed++
	switch {
	case !consumererror.IsPermanent(err):
		return err
	case len(chunk) == 1:
		b.refused = append(b.refused, chunk[0])
	case b.splits > 0:
		b.splits--
		half := len(chunk) / 2
		if err := b.chunk(ctx, chunk[:half]); err != nil {
			return err
		}
		return b.chunk(ctx, chunk[half:])
	}
	return nil
}

// goOn sends the values of series whose zero was refused. When they are accepted, the next component has later values of
// these series, from before the state was restored or damaged: they go on without a zero.
func (b *beginning) goOn(ctx context.Context) {
	out := newOutput(b.at)
	b.each(b.refused, func(s *state.State, x *state.Series) { out.add(x, s.Exemplars(x)) })
	if err := b.send(ctx, out); err != nil {
		b.failed++
		return
	}
	b.deliver(ctx, b.refused)
}

func (b *beginning) each(list []*state.Series, f func(*state.State, *state.Series)) {
	for some := range slices.Chunk(list, locked) {
		b.engine.View(func(s *state.State) {
			for _, x := range some {
				f(s, x)
			}
		})
	}
}

// deliver records that the next component has the zeros.
func (b *beginning) deliver(ctx context.Context, list []*state.Series) {
	ids := make([]uint64, len(list))
	for i, x := range list {
		ids[i] = x.ID
	}
	slices.Sort(ids)
	if err := b.engine.Deliver(ctx, ids); err != nil {
		b.logger.Warn("New series cannot be recorded; their values wait until they can", zap.Error(err))
	}
}
