package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryCrashPointOfSmallHistories walks all histories of up to three steps. A step is one of two deltas, an
// emission, a snapshot with restart, or a crash; a delta may crash at each of the points between the request and its
// acknowledgement: before the write, after a part of it, after all of it. The sender then repeats the delta. After
// every history the totals are those of the deltas that were acknowledged, and one more crash changes nothing.
func TestEveryCrashPointOfSmallHistories(t *testing.T) {
	depth := 3
	if testing.Short() {
		depth = 2
	}
	deltas := []delta{{Writer: 1, Start: 1, Time: 2, Value: 1}, {Writer: 2, Start: 1, Time: 2, Value: 10}}
	root := t.TempDir()
	histories, directories := 0, 0
	name := func() string {
		directories++
		return filepath.Join(root, fmt.Sprint(directories))
	}
	// crash returns a copy of the directory whose newest segment has this size.
	crash := func(dir string, size int64) string {
		to := name()
		copyTree(t, dir, to)
		segment, _ := newestSegment(t, to)
		require.NoError(t, os.Truncate(segment, size))
		return to
	}
	var walk func(dir string, acknowledged [2]bool, left int)
	walk = func(dir string, acknowledged [2]bool, left int) {
		e := open(t, dir)
		want := map[string]int64{}
		for i, d := range deltas {
			if acknowledged[i] {
				want[labels("job", "a")] += d.Value
			}
		}
		require.Equal(t, want, totals(e))
		histories++
		if left == 0 {
			abandon(t, e)
			return
		}
		_, before := newestSegment(t, dir)
		abandon(t, e)

		for i, d := range deltas {
			after := acknowledged
			after[i] = true
			sent := name()
			copyTree(t, dir, sent)
			e := open(t, sent)
			_, start := newestSegment(t, sent)
			out := add(t, e, d.request())
			require.Equal(t, acknowledged[i], out.Duplicate == 1)
			_, end := newestSegment(t, sent)
			for _, size := range []int64{start, (start + end) / 2, end} {
				crashed := crash(sent, size)
				again := open(t, crashed)
				add(t, again, d.request())
				abandon(t, again)
				walk(crashed, after, left-1)
			}
			abandon(t, e)
		}

		emitted := name()
		copyTree(t, dir, emitted)
		e = open(t, emitted)
		_, _, err := e.Emit(context.Background())
		require.NoError(t, err)
		abandon(t, e)
		walk(emitted, acknowledged, left-1)

		restarted := name()
		copyTree(t, dir, restarted)
		require.NoError(t, open(t, restarted).Close())
		walk(restarted, acknowledged, left-1)

		walk(crash(dir, before), acknowledged, left-1)
		require.NoError(t, os.RemoveAll(dir))
	}
	walk(name(), [2]bool{}, depth)
	t.Logf("%d histories", histories)
}
