// Package engine keeps one state durable: every change is on disk before the call that caused it returns.
//
// One goroutine writes. Requests that arrive while it waits for the disk are written together with the next commit
// (group commit). A record is written first and applied to the state afterwards, so what readers of the state see is
// always on disk, and a commit that could not be written has no effect.
package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb/fileutil"
	"go.uber.org/zap"

	"batchtel/runrollup/internal/journal"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/state"
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the processor is shut down")

// Options configure an engine.
type Options struct {
	// Directory holds the state and nothing else.
	Directory string
	// Fsync makes each commit wait for the disk. Without it, a crash of the machine loses acknowledged points; a crash
	// of the process does not.
	Fsync    bool
	Settings record.Settings
	Logger   *zap.Logger
	// Now is the system clock, time.Now if nil.
	Now func() time.Time
	// Elapsed is the time since the engine was opened, by the monotonic clock if nil.
	Elapsed func() time.Duration
	// SnapshotSize is the size of the log in bytes after which a snapshot is written; 0 is the default.
	SnapshotSize int64
	// Committed is called after each commit with its duration in the log. It may be nil.
	Committed func(time.Duration)
}

// defaultSnapshotSize bounds what has to be read again after a crash to about half a million points.
const defaultSnapshotSize = 64 << 20

// Recovery is what Open found.
type Recovery struct {
	journal.Report
	// Duration is the time that Open needed.
	Duration time.Duration
	// Series is the number of series that continue.
	Series int
}

// Engine is a durable state. Its methods may be called concurrently.
type Engine struct {
	options Options
	lock    fileutil.Releaser
	// opened is the elapsed time of the state when the engine was opened.
	opened int64
	start  time.Time

	// mu protects state.
	mu    sync.Mutex
	state *state.State

	// pendingMu protects pending and closed.
	pendingMu sync.Mutex
	pending   []*command
	closed    bool
	wake      chan struct{}
	done      chan struct{}

	// log and threshold belong to the goroutine that writes.
	log       *journal.Log
	left      journal.Leftovers
	threshold int64
	snapshots sync.WaitGroup
	// snapshotting holds a token while a snapshot is written.
	snapshotting chan struct{}
}

// command is one record on its way into the log.
type command struct {
	// encode returns the record; it runs when it is the command's turn, before apply.
	encode func(record.Clock) []byte
	// apply changes the state. written is false when the log refused the record; only commands with always get that.
	apply  func(written bool)
	always bool
	done   chan error
}

// Open reads the state in a directory and makes it ready for changes.
func Open(options Options) (*Engine, Recovery, error) {
	e := &Engine{
		options: options, wake: make(chan struct{}, 1), done: make(chan struct{}), start: time.Now(),
		snapshotting: make(chan struct{}, 1),
	}
	if options.Now == nil {
		e.options.Now = time.Now
	}
	if options.Elapsed == nil {
		e.options.Elapsed = func() time.Duration { return time.Since(e.start) }
	}
	if options.SnapshotSize == 0 {
		e.options.SnapshotSize = defaultSnapshotSize
	}
	lock, _, err := fileutil.Flock(filepath.Join(options.Directory, "lock"))
	if err != nil {
		return nil, Recovery{}, fmt.Errorf(
			"the directory %q cannot be locked: %w; give each instance of the processor a directory of its own, "+
				"which it can write", options.Directory, err)
	}
	recovery, err := e.recover()
	if err != nil {
		return nil, recovery, errors.Join(fmt.Errorf("the directory %q cannot be used: %w", options.Directory, err), lock.Release())
	}
	e.lock = lock
	e.threshold = e.options.SnapshotSize
	go e.run()
	return e, recovery, nil
}

// recover reads the state and opens the log.
func (e *Engine) recover() (Recovery, error) {
	dir, logger := e.options.Directory, e.options.Logger
	loader := state.NewLoader()
	var s *state.State
	complete := true
	loaded := func() {
		if s == nil {
			s, complete = loader.State()
		}
	}
	empty := true
	report, err := journal.Read(dir, logger,
		func(b []byte) error { empty = false; return loader.Load(b) },
		func(b []byte) error {
			loaded()
			r, err := record.Read(b)
			if err == nil {
				s.Replay(r)
			}
			return err
		})
	if err != nil {
		return Recovery{Report: report}, err
	}
	loaded()
	if !empty && !complete && report.Damaged == 0 {
		report.Damaged++
		logger.Error("Records of the snapshot are missing; the rest is kept", zap.String("directory", dir))
	}
	if report.Records > 0 || report.Damaged > 0 || report.Incomplete {
		// From here on only the snapshot counts, so damage is found once.
		if err := journal.WriteSnapshot(dir, report.Next, s.Snapshot(), &e.left); err != nil {
			logger.Warn("A snapshot cannot be written; the log is kept", zap.Error(err))
		} else if err := journal.Drop(dir, report.Next); err != nil {
			logger.Warn("Old segments of the log cannot be deleted", zap.Error(err))
		}
	}
	if e.log, err = journal.OpenLog(dir, report.Next, e.options.Fsync, &e.left, logger); err != nil {
		logger.Warn("The log cannot be written yet; requests are refused until it can", zap.Error(err))
	}
	e.state, e.opened = s, s.Clock().Elapsed
	if err := e.log.Append(e.options.Settings.Append(nil)); err != nil {
		logger.Warn("The log cannot be written yet; requests are refused until it can", zap.Error(err))
	}
	s.Set(e.options.Settings)
	return Recovery{Report: report, Duration: time.Since(e.start), Series: s.Len()}, nil
}

// Add applies a request. It returns after the request is on disk, or an error; the request then has no effect, except
// when the context ended first: it may then have been applied, and a repetition is a duplicate.
func (e *Engine) Add(ctx context.Context, q *record.Request) (state.Outcome, error) {
	var out state.Outcome
	encoded := q.Append(nil)
	err := e.submit(ctx, &command{
		encode: func(c record.Clock) []byte {
			q.Clock = c
			record.Stamp(encoded, c)
			return encoded
		},
		apply: func(bool) { out = e.state.Add(q) },
	})
	if err != nil {
		return state.Outcome{}, err
	}
	return out, nil
}

// View calls f with the state, which f must neither change nor keep.
func (e *Engine) View(f func(*state.State)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.state)
}

func (e *Engine) submit(ctx context.Context, c *command) error {
	c.done = make(chan error, 1)
	e.pendingMu.Lock()
	if e.closed {
		e.pendingMu.Unlock()
		return ErrClosed
	}
	e.pending = append(e.pending, c)
	select {
	case e.wake <- struct{}{}:
	default:
	}
	e.pendingMu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes a snapshot and ends the engine. Calls that wait for a commit still get their answer.
func (e *Engine) Close() error {
	if !e.stop() {
		return nil
	}
	e.snapshots.Wait()
	err := e.snapshotNow()
	return errors.Join(err, e.log.Close(), e.lock.Release())
}

// stop ends the goroutine that writes, after its pending commands. It returns false when it was ended before.
func (e *Engine) stop() bool {
	e.pendingMu.Lock()
	closed := e.closed
	if !closed {
		e.closed = true
		close(e.wake)
	}
	e.pendingMu.Unlock()
	<-e.done
	return !closed
}
