package engine

import (
	"time"

	"go.uber.org/zap"

	"batchtel/runrollup/internal/journal"
	"batchtel/runrollup/internal/record"
)

// run writes what is pending until the engine is closed.
func (e *Engine) run() {
	defer close(e.done)
	for open := true; open; {
		_, open = <-e.wake
		for {
			e.pendingMu.Lock()
			batch := e.pending
			e.pending = nil
			e.pendingMu.Unlock()
			if len(batch) == 0 {
				break
			}
			e.commit(batch)
		}
		if open {
			e.snapshotIfDue()
		}
	}
}

// clock returns the clock for records written now.
func (e *Engine) clock() record.Clock {
	return record.Clock{Elapsed: e.opened + int64(e.options.Elapsed()), Wall: e.options.Now().UnixNano()}
}

// commit writes the records of a batch, then applies them in order, then answers.
func (e *Engine) commit(batch []*command) {
	start := time.Now()
	clock := e.clock()
	records := make([][]byte, len(batch))
	for i, c := range batch {
		records[i] = c.encode(clock)
	}
	err := e.log.Append(records...)
	if e.options.Committed != nil && err == nil {
		e.options.Committed(time.Since(start))
	}
	e.mu.Lock()
	for _, c := range batch {
		if err == nil || c.always {
			c.apply(err == nil)
		}
	}
	e.mu.Unlock()
	for _, c := range batch {
		c.done <- err
	}
}

// snapshotIfDue starts a snapshot in the background when the log has grown enough.
func (e *Engine) snapshotIfDue() {
	if e.log.Written() < e.threshold {
		return
	}
	select {
	case e.snapshotting <- struct{}{}:
	default:
		return
	}
	index, err := e.log.Rotate()
	if err != nil {
		<-e.snapshotting
		e.options.Logger.Warn("A snapshot cannot be written yet", zap.Error(err))
		e.threshold = e.log.Written() + e.options.SnapshotSize
		return
	}
	e.threshold = e.options.SnapshotSize
	records := e.encodeState()
	e.snapshots.Add(1)
	go func() {
		defer e.snapshots.Done()
		defer func() { <-e.snapshotting }()
		e.writeSnapshot(index, records)
	}()
}

func (e *Engine) encodeState() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Snapshot()
}

// snapshotNow writes a snapshot that covers the whole log.
func (e *Engine) snapshotNow() error {
	index, err := e.log.Rotate()
	if err != nil {
		return err
	}
	return e.writeSnapshot(index, e.encodeState())
}

func (e *Engine) writeSnapshot(index int, records [][]byte) error {
	err := journal.WriteSnapshot(e.options.Directory, index, records, &e.left)
	if err == nil {
		err = e.log.Drop(index)
	}
	if err != nil {
		e.options.Logger.Warn("A snapshot cannot be written; the log is kept", zap.Error(err))
	}
	return err
}
