// Package journal keeps records on disk: a write-ahead log, snapshots beside it, and what was damaged.
//
// The directory of a journal:
//
//	lock                  held while a process uses the directory
//	log/00000007          segments of the log (Prometheus tsdb/wlog)
//	snapshot.00000007/    the state before segment 7, in the same format
//	damaged/              bytes that could not be read
package journal

import (
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
	"go.uber.org/zap"
)

const (
	logName = "log"
	// segmentSize is the size after which a new segment starts, in bytes. The log switches by itself only after a
	// commit: wlog syncs a full segment in the background, which would be after the acknowledgement.
	segmentSize = 16 << 20
	// wlogSegmentSize keeps wlog from switching. It must be a multiple of its page size.
	wlogSegmentSize = 1 << 30
)

// Log is a write-ahead log. It is not safe for concurrent use, except for Drop.
type Log struct {
	dir    string
	fsync  bool
	logger *zap.Logger
	wl     *wlog.WL
	// segment is the index of the current segment and committed the end of its last complete commit, in bytes.
	segment   int
	committed int64
	// written is the number of bytes committed since the last call of Rotate.
	written int64
	left    *Leftovers
}

// OpenLog opens the log for appending, in a new segment of at least this index. The log must have been read before.
func OpenLog(dir string, first int, fsync bool, left *Leftovers, logger *zap.Logger) (*Log, error) {
	l := &Log{dir: logDirectory(dir), fsync: fsync, left: left, logger: logger, segment: first - 1}
	return l, l.open()
}

func (l *Log) open() error {
	if err := os.MkdirAll(l.dir, 0o750); err != nil {
		return err
	}
	indexes, err := segments(l.dir)
	if err != nil {
		return err
	}
	if len(indexes) == 0 && l.segment >= 0 {
		// wlog numbers its next segment after the last one that it finds.
		s, err := wlog.CreateSegment(l.dir, l.segment)
		if err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	wl, err := wlog.NewSize(nil, nil, l.dir, wlogSegmentSize, compression.None)
	if err != nil {
		return err
	}
	l.wl = wl
	_, l.segment, err = wlog.Segments(l.dir)
	l.committed = 0
	return errors.Join(err, syncDirectory(l.dir))
}

// Append writes the records and returns after they are on disk. After an error none of them is in the log, and the
// next call tries to repair it.
func (l *Log) Append(records ...[]byte) error {
	if l.wl == nil {
		if err := l.repair(); err != nil {
			return fmt.Errorf("the log cannot be written: %w", err)
		}
	}
	err := l.wl.Log(records...)
	if err == nil && l.fsync {
		err = l.wl.Sync()
	}
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(wlog.SegmentName(l.dir, l.segment))
	}
	if err != nil {
		l.left.add(l.wl)
		l.wl = nil
		if err := l.repair(); err != nil {
			l.logger.Warn("The log cannot be repaired yet", zap.Error(err))
		}
		return fmt.Errorf("the log cannot be written: %w", err)
	}
	l.written += info.Size() - l.committed
	l.committed = info.Size()
	if l.committed >= segmentSize {
		l.next()
	}
	return nil
}

// next starts a new segment. What was appended is on disk already, so an error only delays the switch.
func (l *Log) next() {
	index, err := l.wl.NextSegmentSync()
	if err == nil {
		err = syncDirectory(l.dir)
	}
	if err != nil {
		l.logger.Warn("A new segment of the log cannot be created yet", zap.Error(err))
		l.left.add(l.wl)
		l.wl = nil
		return
	}
	l.segment, l.committed = index, 0
}

// repair removes what an unsuccessful commit left behind and starts a new segment.
func (l *Log) repair() error {
	// The first cut makes room for the rest of a page that Close writes, and the second one removes it again, all the
	// more when Close could write a part of it only.
	if err := l.cut(); err != nil {
		return err
	}
	if err := errors.Join(l.left.close(), l.cut()); err != nil {
		return err
	}
	return l.open()
}

// cut removes everything behind the last complete commit.
func (l *Log) cut() error {
	if err := os.MkdirAll(l.dir, 0o750); err != nil {
		return err
	}
	indexes, err := segments(l.dir)
	if err != nil {
		return err
	}
	for _, index := range indexes {
		name := wlog.SegmentName(l.dir, index)
		if index > l.segment {
			if err := os.Remove(name); err != nil {
				return err
			}
			continue
		}
		if index < l.segment {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(l.committed), f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return syncDirectory(l.dir)
}

// Written returns the number of bytes committed since the last Rotate.
func (l *Log) Written() int64 { return l.written }

// Rotate starts a new segment and returns its index: what was appended before is in segments below it.
func (l *Log) Rotate() (int, error) {
	if l.wl == nil {
		if err := l.repair(); err != nil {
			return 0, err
		}
	}
	if l.committed > 0 {
		if l.next(); l.wl == nil {
			return 0, errors.New("a new segment cannot be created")
		}
	}
	l.written = 0
	return l.segment, nil
}

// Drop deletes the segments below this index. It may be called while others append.
func (l *Log) Drop(below int) error { return dropSegments(l.dir, below) }

// Close closes the log.
func (l *Log) Close() error {
	if l.wl != nil {
		l.left.add(l.wl)
		l.wl = nil
	}
	return errors.Join(l.left.close(), l.cut())
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
