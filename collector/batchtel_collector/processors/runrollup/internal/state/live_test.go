package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/value"
)

// TestSumOverLiveWritersFollowsThemInAnyOrder lets writers report and fall silent in any order.
func TestSumOverLiveWritersFollowsThemInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		s.Set(record.Settings{Horizon: int64(time.Minute)})
		type last struct{ seen, value int64 }
		want := map[uint64]last{}
		var now int64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += rapid.Int64Range(1, int64(30*time.Second)).Draw(t, "elapsed")
			clock := record.Clock{Elapsed: now, Wall: now}
			s.Emit(record.Emission{Clock: clock, Time: now})
			writer, v := rapid.Uint64Range(0, 6).Draw(t, "writer"), rapid.Int64Range(-9, 9).Draw(t, "value")
			s.Add(&record.Request{Clock: clock, Groups: []record.Group{{
				Writer: hash(writer), Metric: identity.Metric{Name: "open", Kind: identity.UpDownCounter}, Cumulative: true,
				Points: []record.Point{{
					Attributes: text("job", "a"), Stream: hash(writer), Time: uint64(now), Value: value.Value{Number: value.Integer(v)},
				}},
			}}})
			want[writer] = last{now, v}
			total := int64(0)
			for _, w := range want {
				if now-w.seen < int64(time.Minute) {
					total += w.value
				}
			}
			require.Equal(t, total, s.list[0].Total().Number.Int)
		}
	})
}
