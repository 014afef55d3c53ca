package journal

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// segment returns the bytes that wlog writes for records.
func segment(t require.TestingT, dir string, records [][]byte) []byte {
	wl, err := wlog.NewSize(nil, nil, dir, wlogSegmentSize, compression.None)
	require.NoError(t, err)
	for _, r := range records {
		require.NoError(t, wl.Log(r))
	}
	require.NoError(t, wl.Close())
	data, err := os.ReadFile(wlog.SegmentName(dir, 0))
	require.NoError(t, err)
	return data
}

func records(random *rand.Rand, n int, sizes ...int) (result [][]byte) {
	for range n {
		r := make([]byte, sizes[random.IntN(len(sizes))])
		for i := range r {
			r[i] = byte(random.Uint32()) | 1
		}
		result = append(result, r)
	}
	return result
}

func TestSalvageReadsWhatWlogWrites(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	want := records(random, 300, 1, 10, 100, 5000, 40_000, 100_000)
	// This record leaves 7 bytes of its page: the next one begins there with an empty fragment.
	want = append([][]byte{bytes.Repeat([]byte{1}, pageSize-2*headerSize)}, want...)
	data := segment(t, t.TempDir(), want)
	got, damaged := salvage(data)
	require.Empty(t, damaged)
	require.Equal(t, want, got)
	got, damaged = parse(data)
	require.Empty(t, damaged)
	require.Equal(t, want, got)
}

// TestDamageCostsTheRecordsOfItsPageAtMost flips a bit anywhere or cuts the segment.
func TestDamageCostsTheRecordsOfItsPageAtMost(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	want := records(random, 400, 1, 10, 100, 1000, 40_000)
	data := segment(t, t.TempDir(), want)
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		bit := rapid.IntRange(0, 7).Draw(t, "bit")
		cut := rapid.Bool().Draw(t, "cut")
		broken := bytes.Clone(data)
		if cut {
			broken = broken[:at]
		} else {
			broken[at] ^= 1 << bit
		}
		got, damaged := parse(broken)
		// What is read is a part of what was written, in order.
		next := 0
		for _, r := range got {
			for next < len(want) && !bytes.Equal(want[next], r) {
				next++
			}
			require.Less(t, next, len(want), "a record that was never written")
			next++
		}
		if !cut {
			lost := 0
			for _, r := range want {
				lost += len(r) + headerSize
			}
			for _, r := range got {
				lost -= len(r) + headerSize
			}
			require.LessOrEqual(t, lost, pageSize+2*40_010)
		}
		for i, d := range damaged {
			require.Less(t, d.from, d.to)
			require.LessOrEqual(t, d.to, len(broken))
			require.True(t, i == 0 || damaged[i-1].to <= d.from)
		}
		if !cut && len(got) < len(want) {
			require.NotEmpty(t, damaged)
		}
	})
}

func TestDamagedFolderIsBounded(t *testing.T) {
	dir := t.TempDir()
	r := &reading{dir: dir, logger: zap.NewNop()}
	for i := range maxDamaged + 20 {
		r.setAside(filepath.Join(dir, "log", "00000000"), i, []byte("x"), false)
	}
	names, err := os.ReadDir(filepath.Join(dir, damagedName))
	require.NoError(t, err)
	require.Len(t, names, maxDamaged)
}

func FuzzParse(f *testing.F) {
	f.Add(segment(f, f.TempDir(), records(rand.New(rand.NewPCG(3, 3)), 5, 10, 200)))
	f.Add([]byte{1, 0, 1, 0, 0, 0, 0, 5})
	f.Fuzz(func(t *testing.T, b []byte) { parse(b) })
}
