package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"batchtel/runrollup/internal/state"
)

// machine sends deltas to an engine and crashes it, and keeps what the totals must be.
type machine struct {
	dir     string
	root    string
	n       int
	engine  *Engine
	pool    []delta
	sent    map[delta]bool
	want    map[string]int64
	small   func(*Options)
	elapsed time.Duration
}

func (m *machine) open(t *rapid.T) { m.engine = open(t, m.dir, m.small) }

func (m *machine) send(t *rapid.T, d delta) {
	out := add(t, m.engine, d.request())
	if m.sent[d] {
		require.Equal(t, state.Outcome{Duplicate: 1}, out)
		return
	}
	require.Equal(t, 1, out.Accepted)
	m.sent[d] = true
	m.want[labels("job", string(rune('a'+d.Series)))] += d.Value
}

func (m *machine) check(t *rapid.T) { require.Equal(t, m.want, totals(m.engine)) }

// image replaces the directory by a copy in which the newest segment has a size between the two.
func (m *machine) image(t *rapid.T, low, high int64) {
	name, _ := newestSegment(t, m.dir)
	m.n++
	next := filepath.Join(m.root, string(rune('A'+m.n%26))+time.Now().Format("150405.000000000"))
	copyTree(t, m.dir, next)
	size := rapid.Int64Range(low, high).Draw(t, "size")
	require.NoError(t, os.Truncate(filepath.Join(next, "log", filepath.Base(name)), size))
	abandon(t, m.engine)
	require.NoError(t, os.RemoveAll(m.dir))
	m.dir = next
	m.open(t)
}

func TestTotalsAreTheSumOfAnyDeltasUnderAnyCrashes(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		require.NoError(t, err)
		m := &machine{root: dir, dir: filepath.Join(dir, "0"), sent: map[delta]bool{}, want: map[string]int64{}}
		m.small = func(o *Options) {
			o.SnapshotSize = 2000
			o.Elapsed = func() time.Duration { m.elapsed += time.Millisecond; return m.elapsed }
		}
		m.pool = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) delta {
			start := rapid.Uint64Range(0, 40).Draw(t, "start")
			return delta{
				Writer: rapid.Uint64Range(1, 4).Draw(t, "writer"), Series: rapid.Uint64Range(0, 2).Draw(t, "series"),
				Start: start, Time: start + rapid.Uint64Range(0, 9).Draw(t, "length"),
				Value: rapid.Int64Range(0, 1000).Draw(t, "value"),
			}
		}), 1, 60, func(d delta) delta { d.Value = 0; return d }).Draw(t, "deltas")
		m.open(t)
		defer func() { abandon(t, m.engine); os.RemoveAll(dir) }()
		pick := rapid.SampledFrom(m.pool)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"send": func(t *rapid.T) {
				m.send(t, pick.Draw(t, "delta"))
			},
			"emit": func(t *rapid.T) {
				_, ended, err := m.engine.Emit(context.Background())
				require.NoError(t, err)
				require.Empty(t, ended)
			},
			"restart": func(t *rapid.T) {
				require.NoError(t, m.engine.Close())
				m.open(t)
			},
			"crash": func(t *rapid.T) {
				_, size := newestSegment(t, m.dir)
				m.image(t, size, size)
			},
			"crash before the acknowledgement": func(t *rapid.T) {
				d := pick.Draw(t, "delta")
				m.engine.snapshots.Wait()
				name, before := newestSegment(t, m.dir)
				add(t, m.engine, d.request())
				m.engine.snapshots.Wait()
				after, size := newestSegment(t, m.dir)
				if name == after {
					m.image(t, before, size)
				} else {
					m.image(t, size, size)
				}
				// The sender has no answer and repeats the request: it may be a duplicate by now.
				add(t, m.engine, d.request())
				if !m.sent[d] {
					m.sent[d] = true
					m.want[labels("job", string(rune('a'+d.Series)))] += d.Value
				}
			},
		})
	})
}
