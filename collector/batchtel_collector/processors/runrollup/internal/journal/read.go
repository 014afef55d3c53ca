package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"go.uber.org/zap"
)

const (
	damagedName = "damaged"
	// maxDamaged is the number of files kept in the damaged folder, the newest.
	maxDamaged = 100
)

// Report is what Read found.
type Report struct {
	// Next is the index of the next segment.
	Next int
	// Records is the number of records of the log that were read.
	Records int
	// Damaged is the number of parts that could not be read and were set aside, DamagedBytes their size.
	Damaged, DamagedBytes int
	// Incomplete is true when the last record of the log has no end. It was never acknowledged: a record is written
	// completely before its acknowledgement.
	Incomplete bool
}

// reading is one pass over a journal.
type reading struct {
	dir    string
	logger *zap.Logger
	report Report
	now    time.Time
}

// Read passes the records of the newest snapshot and of the log after it to the two functions. What cannot be read, or
// what they return an error for, is set aside in the damaged folder. An error means that the directory cannot be used
// at all, for example for missing permissions.
func Read(dir string, logger *zap.Logger, snapshot, log func([]byte) error) (Report, error) {
	r := &reading{dir: dir, logger: logger, now: time.Now()}
	if err := os.MkdirAll(logDirectory(dir), 0o750); err != nil {
		return r.report, err
	}
	if err := dropUnfinished(dir); err != nil {
		return r.report, err
	}
	complete, err := snapshots(dir)
	if err != nil {
		return r.report, err
	}
	from := 0
	if n := len(complete); n > 0 {
		from = complete[n-1]
		if err := r.segments(snapshotDirectory(dir, from), 0, false, snapshot); err != nil {
			return r.report, err
		}
	}
	r.report.Records, r.report.Next = 0, from
	err = r.segments(logDirectory(dir), from, true, log)
	return r.report, err
}

func (r *reading) segments(dir string, from int, isLog bool, use func([]byte) error) error {
	indexes, err := segments(dir)
	if err != nil {
		return err
	}
	for i, index := range indexes {
		if index < from {
			continue
		}
		if isLog {
			if index > r.report.Next {
				r.report.Damaged++
				r.logger.Error("Segments of the log are missing", zap.Int("from", r.report.Next), zap.Int("to", index-1))
			}
			r.report.Next = index + 1
		}
		name := wlog.SegmentName(dir, index)
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err != nil {
			r.logger.Error("A file of the state cannot be read and is set aside", zap.String("file", name), zap.Error(err))
			r.report.Damaged++
			if err := os.Rename(name, r.name(name, 0)); err != nil {
				return err
			}
			continue
		}
		r.segment(name, data, isLog && i == len(indexes)-1, use)
	}
	return nil
}

func (r *reading) segment(name string, data []byte, isLast bool, use func([]byte) error) {
	records, damaged := parse(data)
	for _, part := range damaged {
		end := isLast && part.to == len(data)
		r.report.Incomplete = r.report.Incomplete || end
		r.setAside(name, part.from, data[part.from:part.to], end)
	}
	for i, record := range records {
		if err := use(record); err != nil {
			r.setAside(name, i, record, false)
			continue
		}
		r.report.Records++
	}
}

// setAside copies damaged bytes into the damaged folder.
func (r *reading) setAside(name string, at int, data []byte, incomplete bool) {
	r.report.DamagedBytes += len(data)
	if incomplete {
		r.logger.Warn("The last record of the log cannot be read: a crash has cut it before it was acknowledged, or it is damaged",
			zap.String("file", name), zap.Int("bytes", len(data)))
	} else {
		r.report.Damaged++
	}
	target := r.name(name, at)
	err := os.MkdirAll(filepath.Dir(target), 0o750)
	if err == nil {
		err = os.WriteFile(target, data, 0o640)
	}
	if !incomplete {
		r.logger.Error("A part of the state is damaged; the rest is kept", zap.String("file", name), zap.Int("bytes", len(data)),
			zap.String("copy", target), zap.NamedError("copy_error", err))
	}
	r.prune()
}

func (r *reading) name(segment string, at int) string {
	part := strings.ReplaceAll(strings.TrimPrefix(segment, r.dir+string(filepath.Separator)), string(filepath.Separator), "-")
	folder := filepath.Join(r.dir, damagedName)
	_ = os.MkdirAll(folder, 0o750) // The write into it reports the error.
	return filepath.Join(folder, fmt.Sprintf("%s-%s-%d", r.now.UTC().Format("20060102T150405.000000000"), part, at))
}

// prune keeps the newest files of the damaged folder. Their names begin with the time.
func (r *reading) prune() {
	names, err := filepath.Glob(filepath.Join(r.dir, damagedName, "*"))
	if err != nil || len(names) <= maxDamaged {
		return
	}
	slices.Sort(names)
	for _, name := range names[:len(names)-maxDamaged] {
		_ = os.Remove(name) // Tried again at the next start.
	}
}

// Drop deletes the segments below this index from a log that is not open.
func Drop(dir string, below int) error { return dropSegments(logDirectory(dir), below) }
