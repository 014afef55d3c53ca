package engine

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// files returns the files of log and snapshots.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, pattern := range []string{"log/0*", "snapshot.*/0*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		names = append(names, found...)
	}
	return names
}

func TestFlippedBitsLoseTheirRecordsOnly(t *testing.T) {
	root := t.TempDir()
	source := filepath.Join(root, "source")
	e := open(t, source)
	const records = 2000
	for i := range uint64(records) {
		add(t, e, delta{Writer: i, Series: i % 3, Start: 1, Time: 2, Value: 1}.request())
	}
	abandon(t, e)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 100 {
		dir := filepath.Join(root, "copy")
		require.NoError(t, os.RemoveAll(dir))
		copyTree(t, source, dir)
		names := files(t, dir)
		name := names[random.IntN(len(names))]
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if len(data) == 0 {
			continue
		}
		at := random.IntN(len(data))
		data[at] ^= 1 << random.IntN(8)
		require.NoError(t, os.WriteFile(name, data, 0o600))
		e, recovery := openReport(t, dir)
		var total int64
		for _, v := range totals(e) {
			total += v
		}
		// A flipped length costs the rest of its page: 32 KiB hold about 190 records of this test.
		require.GreaterOrEqual(t, total, int64(records-250), "round %d, byte %d", round, at)
		require.LessOrEqual(t, total, int64(records))
		if total < records && !recovery.Incomplete {
			require.Positive(t, recovery.Damaged)
		}
		if recovery.Damaged > 0 || recovery.Incomplete {
			kept, err := filepath.Glob(filepath.Join(dir, "damaged", "*"))
			require.NoError(t, err)
			require.NotEmpty(t, kept)
		}
		abandon(t, e)
		e, recovery = openReport(t, dir)
		require.Zero(t, recovery.Damaged, "damage is found once")
		var again int64
		for _, v := range totals(e) {
			again += v
		}
		require.Equal(t, total, again)
		require.NoError(t, e.Close())
	}
}

func TestDamagedSnapshotKeepsWhatCanBeRead(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir)
	for i := range uint64(3000) {
		add(t, e, delta{Writer: i, Series: i % 26, Start: 1, Time: 2, Value: 1}.request())
	}
	require.NoError(t, e.Close())
	names, err := filepath.Glob(filepath.Join(dir, "snapshot.*", "0*"))
	require.NoError(t, err)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	// Behind the series, within the windows.
	data[len(data)-20_000] ^= 1
	require.NoError(t, os.WriteFile(names[0], data, 0o600))
	e, recovery := openReport(t, dir)
	require.Positive(t, recovery.Damaged)
	require.Equal(t, 26, recovery.Series)
	var total int64
	for _, v := range totals(e) {
		total += v
	}
	require.EqualValues(t, 3000, total)
	require.NoError(t, e.Close())
	e, recovery = openReport(t, dir)
	require.Zero(t, recovery.Damaged)
	require.NoError(t, e.Close())
}

func TestAnyFilesInTheDirectoryDoNotPreventAStart(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing":           {},
		"empty segment":     {"log/00000003": ""},
		"gap":               {"log/00000001": "", "log/00000005": ""},
		"text in a segment": {"log/00000000": "this is no log"},
		"strange names":     {"log/readme": "x", "snapshot.abc/00000000": "x", "snapshot.00000002.tmp/00000000": "x", "x": "y"},
		"empty snapshot":    {"snapshot.00000004/00000000": ""},
		"text in snapshot":  {"snapshot.00000004/00000000": "this is no snapshot", "log/00000004": ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
			}
			e := open(t, dir)
			add(t, e, delta{Writer: 1, Start: 1, Time: 2, Value: 5}.request())
			abandon(t, e)
			e = open(t, dir)
			require.Equal(t, map[string]int64{labels("job", "a"): 5}, totals(e))
			require.NoError(t, e.Close())
			e, recovery := openReport(t, dir)
			require.Zero(t, recovery.Damaged)
			require.Equal(t, map[string]int64{labels("job", "a"): 5}, totals(e))
			require.NoError(t, e.Close())
		})
	}
}
