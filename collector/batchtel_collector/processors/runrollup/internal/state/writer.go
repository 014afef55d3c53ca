package state

import (
	"cmp"
	"slices"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/value"
	"batchtel/runrollup/internal/window"
)

const (
	writerBytes = 172
	streamBytes = 160
	// maxIncarnations is the number of start times for which a cumulative stream keeps its last value, so that a point
	// that was delayed over a restart of its sender is still differenced.
	maxIncarnations = 8
)

// writer is one sender.
type writer struct {
	key identity.Key
	// seen is the elapsed time of the last point.
	seen   int64
	first  *stream
	active node[*writer]
	// packed holds inPack streams as bytes instead, where the writer is silent.
	packed []byte
	inPack int
}

// stream is one stream of a writer.
type stream struct {
	key     identity.Key
	next    *stream
	windows window.Set
	extra   *extra
	size    int64
}

// extra is what streams have that are cumulative or part of a sum over live writers.
type extra struct {
	incarnations []incarnation
	// series is the sum that value is part of, at index in its members.
	series *Series
	index  int
	value  value.Number
	time   uint64
}

// incarnation is the last point of a cumulative stream with one start time.
type incarnation struct {
	start, time uint64
	value       value.Value
}

// touch returns the writer and notes that it is alive.
func (s *State) touch(key identity.Key) *writer {
	w := s.writers[key]
	if w == nil {
		w = &writer{key: key}
		w.active.owner = w
		s.writers[key] = w
		s.bytes += writerBytes
	}
	if w.inPack > 0 {
		s.unpack(w)
	}
	w.seen = s.clock.Elapsed
	s.active.touch(&w.active)
	return w
}

// stream returns the writer's stream and creates it.
func (s *State) stream(w *writer, key identity.Key) *stream {
	t := s.streams[key]
	if t == nil {
		t = &stream{key: key, next: w.first, size: streamBytes}
		w.first = t
		s.streams[key] = t
		s.bytes += t.size
	}
	return t
}

func (s *State) resizeStream(t *stream) {
	n := streamBytes + int64(t.windows.Size())
	if t.extra != nil {
		n += 80 + int64(cap(t.extra.incarnations))*72
		for i := range t.extra.incarnations {
			v := &t.extra.incarnations[i].value
			if v.Histogram != nil {
				n += 120 + int64(len(v.Histogram.Counts))*8
			}
			if v.Exponential != nil {
				n += 200 + int64(len(v.Exponential.Positive.Counts)+len(v.Exponential.Negative.Counts))*8
			}
		}
	}
	s.bytes += n - t.size
	t.size = n
}

// adopt gives the writer streams that were read, in their order. One that is there already is left out.
func (s *State) adopt(w *writer, streams []*stream) {
	for i := len(streams) - 1; i >= 0; i-- {
		t := streams[i]
		if s.streams[t.key] != nil {
			continue
		}
		t.next, w.first = w.first, t
		s.streams[t.key] = t
		s.bytes += t.size
		s.resizeStream(t)
		if t.extra != nil && t.extra.series != nil {
			x := t.extra.series
			t.extra.series = nil
			t.join(x)
		}
	}
}

// longestSilent returns the writer that is silent for the longest time.
func (s *State) longestSilent() (*writer, bool) {
	if w, ok := s.quiet.front(); ok {
		return w, true
	}
	return s.active.front()
}

// dismiss forgets a writer: its windows, its last values and its parts of sums.
func (s *State) dismiss(w *writer) {
	for t := w.first; t != nil; t = t.next {
		if t.extra != nil {
			t.leave()
		}
		delete(s.streams, t.key)
		s.bytes -= t.size
	}
	s.active.remove(&w.active)
	delete(s.writers, w.key)
	s.packed -= w.inPack
	s.bytes -= writerBytes + int64(len(w.packed))
}

// join makes the stream part of a sum.
func (t *stream) join(x *Series) {
	if t.extra.series == x {
		return
	}
	t.leave()
	t.extra.series, t.extra.index = x, len(x.members)
	x.members = append(x.members, t)
}

// leave ends the stream's part in a sum.
func (t *stream) leave() {
	x := t.extra.series
	if x == nil {
		return
	}
	last := len(x.members) - 1
	x.members[t.extra.index] = x.members[last]
	x.members[t.extra.index].extra.index = t.extra.index
	x.members[last] = nil
	x.members = x.members[:last]
	t.extra.series = nil
}

// increment returns what a cumulative point adds to the last one of its stream. A lower value than before under the
// same start is a restart of the sender that kept its start time, so all of it is new.
func (t *stream) increment(start, time uint64, v value.Value) (value.Value, window.Verdict) {
	if t.extra == nil {
		t.extra = &extra{}
	}
	list := t.extra.incarnations
	at, found := slices.BinarySearchFunc(list, start, func(i incarnation, start uint64) int {
		return cmp.Compare(i.start, start)
	})
	if found {
		last := &list[at]
		delta, ok := v.Sub(last.value)
		if time <= last.time {
			// A sender whose clock was set back reports a higher value at an earlier time. Without a start time, a
			// delayed value from before its restart looks the same.
			if start == 0 || !ok || delta.IsZero() {
				return value.Value{}, window.Duplicate
			}
			last.value = v
			return delta, window.Added
		}
		if !ok {
			delta = v
		}
		last.time, last.value = time, v
		return delta, window.Added
	}
	if len(list) == maxIncarnations {
		if at == 0 {
			return value.Value{}, window.TooOld
		}
		list = slices.Delete(list, 0, 1)
		at--
	}
	t.extra.incarnations = slices.Insert(list, at, incarnation{start, time, v})
	return v, window.Added
}
