package engine

import (
	"context"
	"time"

	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/state"
)

// maxAhead is how far an emission may be ahead of the system clock. Prometheus rejects samples that are further ahead.
const maxAhead = 10 * time.Minute

// Emit begins an emission: it sets its time and ends what is idle. time is in Unix nanoseconds, a whole millisecond,
// and later than every emission before, except when the system clock went back by more than ten minutes. While the log
// cannot be written, err is set, nothing ends, and the emission goes on all the same.
func (e *Engine) Emit(ctx context.Context) (at int64, ended []*state.Series, err error) {
	emission := record.Emission{}
	err = e.submit(ctx, &command{
		always: true,
		encode: func(c record.Clock) []byte {
			emission = record.Emission{Clock: c, Time: e.emissionTime(c.Wall)}
			return emission.Append(nil)
		},
		apply: func(written bool) {
			at = emission.Time
			if written {
				ended = e.state.Emit(emission)
			} else {
				e.state.Skip(emission)
			}
		},
	})
	return at, ended, err
}

// emissionTime is called by the goroutine that writes, the only one that changes the state.
func (e *Engine) emissionTime(wall int64) int64 {
	wall -= wall % int64(time.Millisecond)
	emitted := e.state.Emitted()
	if emitted >= wall && emitted-wall < int64(maxAhead) {
		return emitted + int64(time.Millisecond)
	}
	return wall
}

// Deliver records the series whose zero the next component has accepted. The identifiers are in ascending order. After an
// error they count as not delivered: with a value behind it, their zero would be a reset when it is sent after a crash.
func (e *Engine) Deliver(ctx context.Context, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	d := record.Delivered{IDs: ids}
	return e.submit(ctx, &command{
		encode: func(record.Clock) []byte { return d.Append(nil) },
		apply:  func(bool) { e.state.Deliver(d) },
	})
}
