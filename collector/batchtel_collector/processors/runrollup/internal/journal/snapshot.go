package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

const (
	snapshotPrefix = "snapshot."
	unfinished     = ".tmp"
)

func snapshotDirectory(dir string, index int) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08d", snapshotPrefix, index))
}

// WriteSnapshot writes the records as the state before segment index and deletes older snapshots. The snapshot appears
// under its name only when it is complete and on disk.
func WriteSnapshot(dir string, index int, records [][]byte, left *Leftovers) error {
	final := snapshotDirectory(dir, index)
	temporary := final + unfinished
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := fill(temporary, records, left); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	if err := errors.Join(syncDirectory(temporary), fileutil.Replace(temporary, final)); err != nil {
		return err
	}
	indexes, err := snapshots(dir)
	for _, older := range indexes {
		if older < index {
			err = errors.Join(err, os.RemoveAll(snapshotDirectory(dir, older)))
		}
	}
	return err
}

func fill(dir string, records [][]byte, left *Leftovers) error {
	wl, err := wlog.NewSize(nil, nil, dir, wlogSegmentSize, compression.None)
	if err != nil {
		return err
	}
	err = wl.Log(records...)
	if err == nil {
		err = wl.Sync()
	}
	if err != nil {
		// Free the space, so that Close can write the rest of its page and end its goroutine.
		err = errors.Join(err, os.Truncate(wlog.SegmentName(dir, 0), 0))
	}
	left.add(wl)
	return errors.Join(err, left.close())
}

// snapshots returns the indexes of the complete snapshots in ascending order.
func snapshots(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var indexes []int
	for _, entry := range entries {
		name, found := strings.CutPrefix(entry.Name(), snapshotPrefix)
		if index, err := strconv.Atoi(name); found && err == nil && index >= 0 && entry.IsDir() {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

func dropUnfinished(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, snapshotPrefix+"*"+unfinished))
	for _, name := range names {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}
