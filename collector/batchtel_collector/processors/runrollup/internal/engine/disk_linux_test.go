package engine

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"batchtel/runrollup/internal/state"
)

// alone runs the test in a process of its own, since the limit of file sizes holds for a whole process and the go
// command writes a file for each test. It returns true in the process that waits.
func alone(t *testing.T) bool {
	t.Helper()
	const inner = "RUNROLLUP_ALONE"
	if os.Getenv(inner) != "" {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inner+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return true
}

// limitFiles makes every write beyond a file size in bytes fail, as it does on a full disk.
func limitFiles(t *testing.T, size uint64) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}))
}

func unlimitFiles(t *testing.T) {
	t.Helper()
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: old.Max, Max: old.Max}))
}

func TestFullDiskRefusesAndRetryCountsOnce(t *testing.T) {
	if alone(t) {
		return
	}
	first := delta{Writer: 1, Start: 1, Time: 2, Value: 5}
	// Room for a part of the record of each size, from nothing to almost all of it.
	for _, room := range []uint64{0, 1, 20, 100} {
		dir := t.TempDir()
		e := open(t, filepath.Join(dir, "a"))
		add(t, e, first.request())
		_, size := newestSegment(t, e.options.Directory)
		limitFiles(t, uint64(size)+room)
		for try := range 3 {
			_, err := e.Add(context.Background(), delta{Writer: 2, Start: 1, Time: 2, Value: 7}.request())
			require.ErrorContains(t, err, "the log cannot be written", "try %d", try)
		}
		at, _, err := e.Emit(context.Background())
		require.Error(t, err)
		require.NotZero(t, at, "emissions go on")
		unlimitFiles(t)
		require.Equal(t, map[string]int64{labels("job", "a"): 5}, totals(e))

		copyTree(t, e.options.Directory, filepath.Join(dir, "b"))
		crashed, recovery := openReport(t, filepath.Join(dir, "b"))
		require.Zero(t, recovery.Damaged)
		require.Equal(t, map[string]int64{labels("job", "a"): 5}, totals(crashed), "a refused request is not read back")
		abandon(t, crashed)

		add(t, e, delta{Writer: 3, Start: 1, Time: 2, Value: 100}.request())
		copyTree(t, e.options.Directory, filepath.Join(dir, "c"))
		crashed, recovery = openReport(t, filepath.Join(dir, "c"))
		require.Zero(t, recovery.Damaged)
		require.Equal(t, map[string]int64{labels("job", "a"): 105}, totals(crashed), "nor after the log is repaired")
		abandon(t, crashed)

		require.Equal(t, state.Outcome{Accepted: 1}, add(t, e, delta{Writer: 2, Start: 1, Time: 2, Value: 7}.request()))
		require.Equal(t, state.Outcome{Duplicate: 1}, add(t, e, delta{Writer: 2, Start: 1, Time: 2, Value: 7}.request()))
		require.Equal(t, map[string]int64{labels("job", "a"): 112}, totals(e))
		require.NoError(t, e.Close())
		again := open(t, filepath.Join(dir, "a"))
		require.Equal(t, map[string]int64{labels("job", "a"): 112}, totals(again))
		require.NoError(t, again.Close())
	}
}

func TestFullDiskAtStartRefusesUntilThereIsRoom(t *testing.T) {
	if alone(t) {
		return
	}
	dir := t.TempDir()
	e := open(t, dir)
	add(t, e, delta{Writer: 1, Start: 1, Time: 2, Value: 5}.request())
	abandon(t, e)
	limitFiles(t, 0)
	e, recovery := openReport(t, dir)
	require.Equal(t, 1, recovery.Series)
	_, err := e.Add(context.Background(), delta{Writer: 1, Start: 2, Time: 3, Value: 5}.request())
	require.Error(t, err)
	unlimitFiles(t)
	add(t, e, delta{Writer: 1, Start: 2, Time: 3, Value: 5}.request())
	require.Equal(t, map[string]int64{labels("job", "a"): 10}, totals(e))
	abandon(t, e)
	e = open(t, dir)
	require.Equal(t, map[string]int64{labels("job", "a"): 10}, totals(e))
	require.NoError(t, e.Close())
}

func TestFullDiskWhileASnapshotIsWrittenKeepsTheLog(t *testing.T) {
	if alone(t) {
		return
	}
	dir := t.TempDir()
	e := open(t, dir)
	for i := range uint64(2000) {
		add(t, e, delta{Writer: i, Series: i % 3, Start: 1, Time: 2, Value: 1}.request())
	}
	require.NoError(t, e.Close())
	e = open(t, dir)
	add(t, e, delta{Writer: 1, Series: 1, Start: 2, Time: 3, Value: 1}.request())
	want := totals(e)
	limitFiles(t, 40_000)
	require.Error(t, e.Close())
	unlimitFiles(t)
	unfinished, err := filepath.Glob(filepath.Join(dir, "snapshot.*.tmp"))
	require.NoError(t, err)
	require.Empty(t, unfinished)
	e = open(t, dir)
	require.Equal(t, want, totals(e))
	require.NoError(t, e.Close())
}

func TestDirectoryThatDisappearsIsWrittenAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	e := open(t, dir)
	add(t, e, delta{Writer: 1, Start: 1, Time: 2, Value: 5}.request())
	require.NoError(t, e.Close())
	e = open(t, dir)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "log")))
	_, err := e.Add(context.Background(), delta{Writer: 1, Start: 2, Time: 3, Value: 5}.request())
	require.Error(t, err)
	add(t, e, delta{Writer: 1, Start: 2, Time: 3, Value: 5}.request())
	abandon(t, e)
	e = open(t, dir)
	require.Equal(t, map[string]int64{labels("job", "a"): 10}, totals(e))
	require.NoError(t, e.Close())
}
