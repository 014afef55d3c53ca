package state

import (
	"batchtel/runrollup/internal/window"
	"batchtel/runrollup/internal/wire"
)

// The types of the records of a snapshot, the first byte of each.
const (
	typeHeader  byte = 0x11
	typeSeries  byte = 0x12
	typeWriters byte = 0x13
	typeEnd     byte = 0x14
)

// chunkSize is the size of a snapshot record in bytes. A damaged record loses what is in it and no more.
const chunkSize = 32 << 10

// Snapshot returns the state as records.
func (s *State) Snapshot() [][]byte {
	header := []byte{typeHeader}
	header = wire.AppendInt(header, s.clock.Elapsed)
	header = wire.AppendInt(header, s.clock.Wall)
	header = wire.AppendInt(header, s.emitted)
	header = wire.AppendInt(header, s.previous)
	header = wire.AppendUint(header, s.nextID)
	header = append(header, s.settings.Append(nil)...)
	out := chunks{records: [][]byte{header}}
	for _, x := range s.list {
		out.begin(typeSeries)
		out.last = x.append(out.last)
	}
	for _, q := range []*queue[*writer]{&s.quiet, &s.active} {
		q.each(func(w *writer) {
			out.begin(typeWriters)
			out.last = w.append(out.last)
		})
	}
	out.end()
	return append(out.records, wire.AppendUint([]byte{typeEnd}, uint64(len(out.records))))
}

// chunks collects entries in records of about chunkSize.
type chunks struct {
	records [][]byte
	last    []byte
}

func (c *chunks) begin(kind byte) {
	if len(c.last) > 0 && c.last[0] == kind && len(c.last) < chunkSize {
		return
	}
	c.end()
	c.last = append(make([]byte, 0, chunkSize+chunkSize/8), kind)
}

func (c *chunks) end() {
	if len(c.last) > 0 {
		c.records = append(c.records, c.last)
		c.last = nil
	}
}

func (x *Series) append(b []byte) []byte {
	b = wire.AppendString(b, x.key)
	b = wire.AppendString(b, x.metric.description)
	b = wire.AppendUint(b, x.ID)
	b = append(b, byte(x.rule))
	b = wire.AppendInt(b, x.born)
	b = wire.AppendInt(b, x.seen)
	b = wire.AppendBool(b, x.delivered)
	b = wire.AppendBool(b, x.hasValue)
	b = wire.AppendUint(b, x.time)
	b = x.value.Append(b)
	b = wire.AppendUint(b, uint64(len(x.exemplars)))
	for _, e := range x.exemplars {
		b = wire.AppendInt(e.Append(b), e.after)
	}
	return b
}

func (w *writer) append(b []byte) []byte {
	b = append(b, w.key[:]...)
	b = wire.AppendInt(b, w.seen)
	n := uint64(w.inPack)
	for t := w.first; t != nil; t = t.next {
		n++
	}
	return w.appendStreams(wire.AppendUint(b, n))
}

func (w *writer) appendStreams(b []byte) []byte {
	b = append(b, w.packed...)
	var before *window.Set
	for t := w.first; t != nil; t = t.next {
		b = append(b, t.key[:]...)
		// All metrics of one export have the same times.
		same := before != nil && before.Equal(&t.windows)
		b = wire.AppendBool(b, same)
		if !same {
			b = t.windows.Append(b)
		}
		before = &t.windows
		b = wire.AppendBool(b, t.extra != nil)
		if t.extra != nil {
			b = t.extra.append(b)
		}
	}
	return b
}

func (e *extra) append(b []byte) []byte {
	b = wire.AppendUint(b, uint64(len(e.incarnations)))
	for _, i := range e.incarnations {
		b = wire.AppendUint(b, i.start)
		b = wire.AppendUint(b, i.time)
		b = i.value.Append(b)
	}
	id := uint64(0)
	if e.series != nil {
		id = e.series.ID
	}
	b = wire.AppendUint(b, id)
	b = wire.AppendUint(b, e.time)
	return e.value.Append(b)
}
