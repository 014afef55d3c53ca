package state

import (
	"time"

	"batchtel/runrollup/internal/wire"
)

// quietAfter is the time without points after which a writer is packed. A run that has ended is remembered for the horizon
// only to recognise a repeated request; as the bytes of a snapshot it needs a fraction of the memory (BenchmarkRuns).
const quietAfter = int64(5 * time.Second)

// How many writers are packed at most with a request and with an emission: more than fall silent between two of them, and
// few enough that nothing waits for it.
const (
	packedByRequest  = 2
	packedByEmission = 1000
)

// packQuiet moves writers that are silent to the quiet ones, so many at most.
func (s *State) packQuiet(limit int) {
	for range limit {
		w, ok := s.active.front()
		if !ok || s.clock.Elapsed-w.seen < quietAfter {
			return
		}
		s.quiet.touch(&w.active)
		s.pack(w)
	}
}

// pack replaces the streams of a writer by their bytes. Parts of a sum over live writers stay as they are.
func (s *State) pack(w *writer) {
	for t := w.first; t != nil; t = t.next {
		if t.extra != nil && t.extra.series != nil {
			return
		}
	}
	b := w.appendStreams(nil)
	w.packed = append(make([]byte, 0, len(b)), b...)
	for t := w.first; t != nil; t = t.next {
		delete(s.streams, t.key)
		s.bytes -= t.size
		w.inPack++
	}
	w.first = nil
	s.packed += w.inPack
	s.bytes += int64(len(w.packed))
}

// unpack is the reverse of pack.
func (s *State) unpack(w *writer) {
	s.bytes -= int64(len(w.packed))
	s.packed -= w.inPack
	r := wire.NewReader(w.packed)
	streams := readStreams(r, w.inPack, nil)
	w.packed, w.inPack = nil, 0
	s.adopt(w, streams)
}
