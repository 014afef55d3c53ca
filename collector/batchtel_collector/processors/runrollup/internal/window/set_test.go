package window

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"batchtel/runrollup/internal/wire"
)

func TestConsecutiveWindowsOfAnyLengthAreOneSpan(t *testing.T) {
	var s Set
	for i := uint64(1); i <= 100_000; i++ {
		require.Equal(t, Added, s.Add(Pair{i, i + 1}))
	}
	for _, i := range []uint64{1, 50_000, 99_990, 100_000} {
		require.Equal(t, Duplicate, s.Add(Pair{i, i + 1}))
	}
	require.Less(t, s.Size(), 3500)
}

func TestWindowsWithGapsAreBounded(t *testing.T) {
	var s Set
	for i := uint64(1); i <= 10_000; i++ {
		require.Equal(t, Added, s.Add(Pair{10 * i, 10*i + 1}))
		require.Equal(t, Duplicate, s.Add(Pair{10 * i, 10*i + 1}))
	}
	require.Less(t, s.Size(), 3500)
	require.Equal(t, TooOld, s.Add(Pair{10, 11}))
	require.Equal(t, Duplicate, s.Add(Pair{99_000, 99_001}), "within the spans that are kept")
	require.Equal(t, Added, s.Add(Pair{99_002, 99_003}), "in a gap")
}

func TestWindowsWithoutStart(t *testing.T) {
	var s Set
	for i := uint64(1); i <= 1000; i++ {
		require.Equal(t, Added, s.Add(Pair{0, i}))
		require.Equal(t, Duplicate, s.Add(Pair{0, i}))
	}
	require.Equal(t, TooOld, s.Add(Pair{0, 1}))
	require.Equal(t, Added, s.Add(Pair{1, 2}), "a window with a start is another one")
}

// TestNothingIsAddedTwice adds windows of a stream in any order with repetitions.
func TestNothingIsAddedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		added := map[Pair]bool{}
		width := rapid.Uint64Range(1, 400).Draw(t, "width")
		for range rapid.IntRange(1, 600).Draw(t, "n") {
			start := rapid.Uint64Range(0, width).Draw(t, "start")
			p := Pair{start, start + rapid.Uint64Range(0, 3).Draw(t, "length")}
			switch v := s.Add(p); v {
			case Added:
				require.False(t, added[p])
				added[p] = true
			case Duplicate, TooOld:
				if len(added) <= MaxRecent {
					require.True(t, added[p], "a small set is exact")
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "store") == 0 {
				r := wire.NewReader(s.Append(nil))
				s = Read(r)
				require.NoError(t, r.Err())
			}
		}
		require.LessOrEqual(t, len(s.recent), MaxRecent)
	})
}

// TestConsecutiveWindowsInAnyNearOrderAreAllAdded: an SDK's windows, delayed by up to 20 places.
func TestConsecutiveWindowsInAnyNearOrderAreAllAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		n := rapid.IntRange(1, 500).Draw(t, "n")
		var waiting []Pair
		send := func(at int) {
			require.Equal(t, Added, s.Add(waiting[at]))
			require.Equal(t, Duplicate, s.Add(waiting[at]))
			waiting = append(waiting[:at], waiting[at+1:]...)
		}
		for i := range n {
			waiting = append(waiting, Pair{uint64(10*i + 1), uint64(10*i + 11)})
			if len(waiting) > 20 {
				send(rapid.IntRange(0, 19).Draw(t, "at"))
			}
		}
		for len(waiting) > 0 {
			send(0)
		}
	})
}

func FuzzRead(f *testing.F) {
	var s Set
	for i := range uint64(100) {
		s.Add(Pair{3 * i, 3*i + 1})
	}
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		s := Read(r)
		if r.Err() != nil {
			return
		}
		again := wire.NewReader(s.Append(nil))
		require.Equal(t, s, Read(again))
		require.NoError(t, again.Err())
		s.Add(Pair{1, 2})
		s.Add(Pair{0, 1 << 60})
	})
}
