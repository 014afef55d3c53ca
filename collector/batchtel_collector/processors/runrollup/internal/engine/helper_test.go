package engine

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/state"
	"batchtel/runrollup/internal/value"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirectory); dir != "" {
		crashingProcess(dir)
	}
	goleak.VerifyTestMain(m)
}

type fataler interface {
	require.TestingT
	Helper()
}

var settings = record.Settings{
	Horizon: int64(time.Hour), Expiry: int64(24 * time.Hour), Interval: int64(15 * time.Second),
}

func open(t fataler, dir string, change ...func(*Options)) *Engine {
	t.Helper()
	e, _ := openReport(t, dir, change...)
	return e
}

func openReport(t fataler, dir string, change ...func(*Options)) (*Engine, Recovery) {
	t.Helper()
	options := Options{Directory: dir, Settings: settings, Logger: zap.NewNop()}
	for _, c := range change {
		c(&options)
	}
	e, recovery, err := Open(options)
	require.NoError(t, err)
	return e, recovery
}

// abandon ends an engine as a crash does, without a snapshot.
func abandon(t fataler, e *Engine) {
	t.Helper()
	e.stop()
	e.snapshots.Wait()
	require.NoError(t, e.log.Close())
	require.NoError(t, e.lock.Release())
}

func key(parts ...uint64) identity.Key {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, p)
	}
	return identity.Hash(b)
}

func labels(name, v string) string {
	return string(identity.AppendAttributes(nil, []identity.Attribute{{Key: name, Value: pcommon.NewValueStr(v)}}))
}

var counter = identity.Metric{Name: "runs", Unit: "{run}", Kind: identity.Counter}

// delta is one delta of a counter or, with buckets, of a histogram.
type delta struct {
	Writer, Series, Start, Time uint64
	Value                       int64
}

func (d delta) request() *record.Request {
	return &record.Request{Groups: []record.Group{{
		Writer: key(d.Writer), Metric: counter, Resource: labels("service.name", "etl"),
		Points: []record.Point{{
			Attributes: labels("job", string(rune('a'+d.Series))), Stream: key(d.Writer, d.Series), Start: d.Start, Time: d.Time,
			Value: value.Value{Number: value.Integer(d.Value)},
		}},
	}}}
}

func add(t fataler, e *Engine, q *record.Request) state.Outcome {
	t.Helper()
	out, err := e.Add(context.Background(), q)
	require.NoError(t, err)
	return out
}

// totals returns the integer totals by label set.
func totals(e *Engine) map[string]int64 {
	result := map[string]int64{}
	e.View(func(s *state.State) {
		for x := range s.All() {
			result[x.Attributes()] += x.Total().Number.Int
		}
	})
	return result
}

func copyTree(t fataler, from, to string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	require.NoError(t, os.RemoveAll(filepath.Join(to, "lock")))
}

// newestSegment returns the name and size of the segment that is being written.
func newestSegment(t fataler, dir string) (string, int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "log", "0*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	info, err := os.Stat(names[len(names)-1])
	require.NoError(t, err)
	return names[len(names)-1], info.Size()
}
