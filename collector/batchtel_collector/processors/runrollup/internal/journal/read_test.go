package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// read returns what Read passes on.
func read(t *testing.T, dir string) (snapshot, log []string, report Report) {
	t.Helper()
	report, err := Read(dir, zap.NewNop(),
		func(b []byte) error { snapshot = append(snapshot, string(b)); return nil },
		func(b []byte) error { log = append(log, string(b)); return nil })
	require.NoError(t, err)
	return snapshot, log, report
}

func TestLogAndSnapshot(t *testing.T) {
	dir := t.TempDir()
	var left Leftovers
	l, err := OpenLog(dir, 0, true, &left, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, l.Append([]byte("a"), []byte("b")))
	index, err := l.Rotate()
	require.NoError(t, err)
	require.Zero(t, l.Written())
	require.NoError(t, WriteSnapshot(dir, index, [][]byte{[]byte("a+b")}, &left))
	require.NoError(t, l.Append([]byte("c")))

	// A crash after the snapshot and before the segments that it covers are deleted.
	snapshot, log, report := read(t, dir)
	require.Equal(t, []string{"a+b"}, snapshot)
	require.Equal(t, []string{"c"}, log)
	require.Equal(t, Report{Next: index + 1, Records: 1}, report)

	require.NoError(t, l.Drop(index))
	snapshot, log, _ = read(t, dir)
	require.Equal(t, []string{"a+b"}, snapshot)
	require.Equal(t, []string{"c"}, log)

	// A crash while the next snapshot is written.
	require.NoError(t, os.MkdirAll(snapshotDirectory(dir, index+1)+unfinished, 0o700))
	snapshot, _, _ = read(t, dir)
	require.Equal(t, []string{"a+b"}, snapshot)
	require.NoDirExists(t, snapshotDirectory(dir, index+1)+unfinished)

	index, err = l.Rotate()
	require.NoError(t, err)
	require.NoError(t, WriteSnapshot(dir, index, [][]byte{[]byte("a+b+c")}, &left))
	require.NoError(t, l.Close())
	snapshot, log, _ = read(t, dir)
	require.Equal(t, []string{"a+b+c"}, snapshot)
	require.Empty(t, log)
	older, err := snapshots(dir)
	require.NoError(t, err)
	require.Equal(t, []int{index}, older)
}

func TestSegmentsSwitchAfterACommitAndAreAllRead(t *testing.T) {
	dir := t.TempDir()
	var left Leftovers
	require.NoError(t, WriteSnapshot(dir, 7, [][]byte{[]byte("x")}, &left))
	l, err := OpenLog(dir, 7, false, &left, zap.NewNop())
	require.NoError(t, err)
	big := make([]byte, segmentSize/2+1)
	big[0] = 1
	for range 5 {
		require.NoError(t, l.Append(big))
	}
	require.NoError(t, l.Close())
	indexes, err := segments(logDirectory(dir))
	require.NoError(t, err)
	require.Equal(t, []int{6, 7, 8, 9}, indexes)
	_, log, report := read(t, dir)
	require.Len(t, log, 5)
	require.Zero(t, report.Damaged)
	require.Equal(t, 10, report.Next)
}

func TestRecordsThatAreRefusedAreSetAside(t *testing.T) {
	dir := t.TempDir()
	var left Leftovers
	l, err := OpenLog(dir, 0, false, &left, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, l.Append([]byte("good"), []byte("bad"), []byte("good")))
	require.NoError(t, l.Close())
	report, err := Read(dir, zap.NewNop(), nil, func(b []byte) error {
		if string(b) == "bad" {
			return errors.New("bad")
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, Report{Next: 1, Records: 2, Damaged: 1, DamagedBytes: 3}, report)
	names, err := filepath.Glob(filepath.Join(dir, damagedName, "*-log-00000000-1"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	require.Equal(t, "bad", string(data))
}
