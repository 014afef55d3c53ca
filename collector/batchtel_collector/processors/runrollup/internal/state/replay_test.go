package state

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/value"
)

func text(k, v string) string {
	return string(identity.AppendAttributes(nil, []identity.Attribute{{Key: k, Value: pcommon.NewValueStr(v)}}))
}

func hash(parts ...uint64) identity.Key {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, p)
	}
	return identity.Hash(b)
}

// genRequest draws requests of all kinds with few writers, series and times, so that all of them meet.
var genRequest = rapid.Custom(func(t *rapid.T) *record.Request {
	q := &record.Request{}
	for range rapid.IntRange(1, 3).Draw(t, "groups") {
		kind := identity.Kind(rapid.IntRange(1, 5).Draw(t, "kind"))
		writer := rapid.Uint64Range(0, 3).Draw(t, "writer")
		g := record.Group{
			Writer: hash(writer), Metric: identity.Metric{Name: fmt.Sprint("m", kind), Kind: kind},
			Rule: record.Rule(rapid.IntRange(0, 3).Draw(t, "rule")), Cumulative: rapid.Bool().Draw(t, "cumulative"),
			Limit: 3, Resource: text("service.name", "etl"),
		}
		for range rapid.IntRange(1, 3).Draw(t, "points") {
			series := rapid.Uint64Range(0, 5).Draw(t, "series")
			p := record.Point{
				Attributes: text("job", fmt.Sprint(series)), Stream: hash(writer, uint64(kind), series),
				Start: rapid.Uint64Range(0, 20).Draw(t, "start"), Time: rapid.Uint64Range(1, 30).Draw(t, "time"),
			}
			n := rapid.Uint64Range(0, 9).Draw(t, "value")
			switch kind {
			case identity.Histogram:
				bounds := [][]float64{nil, {1, 2}, {2}, {1.5}}[rapid.IntRange(0, 3).Draw(t, "bounds")]
				counts := make([]uint64, len(bounds)+1)
				counts[0] = n
				p.Value.Histogram = &value.Histogram{Summary: value.Summary{Count: n, HasSum: true, Sum: 1}, Bounds: bounds, Counts: counts}
			case identity.ExponentialHistogram:
				p.Value.Exponential = &value.Exponential{
					Summary: value.Summary{Count: n}, Scale: int32(n % 4), Positive: value.Buckets{Offset: int32(n), Counts: []uint64{n}},
				}
				p.Value.Exponential.Fit()
			default:
				p.Value.Number = value.Number{Int: int64(n), Float: 0.5, Mixed: true}
				if n < 8 {
					p.Value.Number = value.Integer(int64(n))
				}
				p.Exemplars = []value.Exemplar{{Time: n, Value: p.Value.Number}}
			}
			g.Points = append(g.Points, p)
		}
		q.Groups = append(q.Groups, g)
	}
	return q
})

// TestReplayAndSnapshotsGiveTheSameState drives one state directly, one through encoded records, and one that is
// written to a snapshot and loaded again at random moments, and one in which no writer stays packed. Their snapshots are always equal byte by byte.
func TestReplayAndSnapshotsGiveTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live, replayed, stored, wide := New(), New(), New(), New()
		var clock record.Clock
		step := func(encoded []byte, apply func(*State)) {
			apply(live)
			for _, s := range []*State{replayed, stored, wide} {
				r, err := record.Read(encoded)
				require.NoError(t, err)
				s.Replay(r)
			}
			for _, w := range wide.writers {
				if w.inPack > 0 {
					wide.unpack(w)
				}
			}
		}
		settings := record.Settings{
			Horizon: int64(time.Minute), Expiry: int64(5 * time.Minute), Interval: int64(15 * time.Second), Series: 12, Metrics: 5,
			Streams: 20,
		}
		step(settings.Append(nil), func(s *State) { s.Set(settings) })
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.Equal(t, live.Snapshot(), replayed.Snapshot())
				require.Equal(t, live.Snapshot(), stored.Snapshot())
				require.Equal(t, live.Snapshot(), wide.Snapshot())
				require.Equal(t, live.Streams(), len(wide.streams))
				require.Equal(t, live.Len(), len(live.series))
				require.LessOrEqual(t, live.limited, uint64(12))
				require.LessOrEqual(t, live.Streams(), 20+9)
			},
			"request": func(t *rapid.T) {
				q := genRequest.Draw(t, "request")
				clock.Elapsed += rapid.Int64Range(0, int64(time.Minute)).Draw(t, "elapsed")
				clock.Wall = clock.Elapsed
				q.Clock = clock
				step(q.Append(nil), func(s *State) { s.Add(q) })
			},
			"emission": func(t *rapid.T) {
				clock.Elapsed += rapid.Int64Range(0, int64(5*time.Minute)).Draw(t, "elapsed")
				e := record.Emission{Clock: clock, Time: clock.Elapsed / birthGap * birthGap}
				step(e.Append(nil), func(s *State) { s.Emit(e) })
			},
			"delivery": func(t *rapid.T) {
				d := record.Delivered{}
				for _, x := range live.fresh {
					if rapid.Bool().Draw(t, "delivered") {
						d.IDs = append(d.IDs, x.ID)
					}
				}
				step(d.Append(nil), func(s *State) { s.Deliver(d) })
			},
			"snapshot": func(t *rapid.T) {
				l := NewLoader()
				for _, r := range stored.Snapshot() {
					require.NoError(t, l.Load(r))
				}
				var complete bool
				stored, complete = l.State()
				require.True(t, complete)
				// The estimates differ by the spare capacity of slices.
				require.InEpsilon(t, live.Bytes()+1000, stored.Bytes()+1000, 0.5)
			},
		})
	})
}

// FuzzLoad loads any record into an empty state and then uses the state.
func FuzzLoad(f *testing.F) {
	s := New()
	for i := range uint64(20) {
		s.Add(&record.Request{Groups: []record.Group{
			{
				Writer: hash(i), Metric: identity.Metric{Name: "c", Kind: identity.Counter},
				Points: []record.Point{{Attributes: text("job", "a"), Stream: hash(i), Time: i, Value: value.Value{Number: value.Integer(1)}}},
			},
			{
				Writer: hash(i), Metric: identity.Metric{Name: "u", Kind: identity.UpDownCounter}, Cumulative: true,
				Points: []record.Point{{Attributes: text("job", "a"), Stream: hash(i, 1), Time: i, Value: value.Value{Number: value.Integer(1)}}},
			},
		}})
	}
	for _, r := range s.Snapshot() {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l := NewLoader()
		_ = l.Load(b)
		loaded, _ := l.State()
		loaded.Emit(record.Emission{Time: 1})
		again := NewLoader()
		for _, r := range loaded.Snapshot() {
			require.NoError(t, again.Load(r))
		}
		for x := range loaded.All() {
			x.Total()
		}
	})
}
