package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// pageSize and headerSize are those of wlog: segments are pages of 32 KiB; a record is split into fragments, each with
// a header of type (1 byte), length (2) and CRC-32C (4); a zero type means that the rest of the page is empty.
const (
	pageSize   = 32 << 10
	headerSize = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// span is a range of bytes of a segment that could not be read.
type span struct{ from, to int }

// segments returns the indexes of the segments in a directory in ascending order. Gaps are allowed.
func segments(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var indexes []int
	for _, entry := range entries {
		if index, err := strconv.Atoi(entry.Name()); err == nil && index >= 0 && !entry.IsDir() {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

func dropSegments(dir string, below int) error {
	indexes, err := segments(dir)
	for _, index := range indexes {
		if index < below {
			err = errors.Join(err, os.Remove(wlog.SegmentName(dir, index)))
		}
	}
	return err
}

// parse returns the records of a segment. When wlog's reader stops at damage, the pages are read again one by one, so
// that only the damaged fragments are missing.
func parse(data []byte) (records [][]byte, damaged []span) {
	padded := data
	if n := len(data) % pageSize; n != 0 {
		padded = append(slices.Clone(data), make([]byte, pageSize-n)...)
	}
	r := wlog.NewReader(bytes.NewReader(padded))
	for r.Next() {
		if len(r.Record()) == 0 {
			// No record is empty: this is the first byte of a header, followed by zeros.
			return salvage(data)
		}
		records = append(records, slices.Clone(r.Record()))
	}
	if r.Err() == nil {
		return records, nil
	}
	return salvage(data)
}

// The fragment types of wlog.
const (
	pageEnd byte = iota
	full
	first
	middle
	last
)

// salvage reads what is intact in a damaged segment.
func salvage(data []byte) (records [][]byte, damaged []span) {
	var (
		record []byte
		begun  = -1
	)
	lose := func(from, to int) {
		if begun >= 0 {
			from = begun
		}
		record, begun = nil, -1
		if n := len(damaged); n > 0 && damaged[n-1].to >= from {
			damaged[n-1].to = max(damaged[n-1].to, to)
			return
		}
		damaged = append(damaged, span{from, to})
	}
	for start := 0; start < len(data); start += pageSize {
		page := data[start:min(start+pageSize, len(data))]
		for at := 0; at < len(page); {
			if page[at] == pageEnd {
				if rest := page[at:]; len(bytes.Trim(rest, "\x00")) > 0 {
					lose(start+at, start+len(page))
				}
				break
			}
			kind, body, ok := fragment(page[at:])
			if !ok {
				next := resume(page, at)
				lose(start+at, start+next)
				at = next
				continue
			}
			end := at + headerSize + len(body)
			switch {
			case kind == full && begun < 0:
				records = append(records, body)
			case kind == first && begun < 0:
				record, begun = slices.Clone(body), start+at
			case kind == middle && begun >= 0:
				record = append(record, body...)
			case kind == last && begun >= 0:
				records = append(records, append(record, body...))
				record, begun = nil, -1
			case kind == full || kind == first:
				// The record before has no end.
				lose(begun, start+at)
				continue
			default:
				lose(start+at, start+end)
			}
			at = end
		}
	}
	if begun >= 0 {
		lose(begun, len(data))
	}
	return records, damaged
}

// fragment reads the fragment at the beginning of b. Only a first fragment may be empty, where a page has just room for
// its header.
func fragment(b []byte) (kind byte, body []byte, ok bool) {
	if len(b) < headerSize || b[0] > last {
		return 0, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if n > len(b)-headerSize {
		return 0, nil, false
	}
	body = b[headerSize : headerSize+n]
	return b[0], body, (n > 0 || b[0] == first) && crc32.Checksum(body, castagnoli) == binary.BigEndian.Uint32(b[3:])
}

// resume returns where reading continues in a page after a damaged fragment: behind it, when its length leads to an
// intact fragment or the empty end of the page, else at the end of the page.
func resume(page []byte, at int) int {
	if len(page)-at < headerSize {
		return len(page)
	}
	next := at + headerSize + int(binary.BigEndian.Uint16(page[at+1:]))
	if next >= len(page) {
		return len(page)
	}
	if page[next] == pageEnd {
		if len(bytes.Trim(page[next:], "\x00")) == 0 {
			return next
		}
		return len(page)
	}
	if _, _, ok := fragment(page[next:]); ok {
		return next
	}
	return len(page)
}

func logDirectory(dir string) string { return filepath.Join(dir, logName) }
