package state

import (
	"cmp"
	"math"
	"slices"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/value"
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
	s.active.each(func(w *writer) {
		out.begin(typeWriters)
		out.last = w.append(out.last)
	})
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
	n := uint64(0)
	for t := w.first; t != nil; t = t.next {
		n++
	}
	b = wire.AppendUint(b, n)
	for t := w.first; t != nil; t = t.next {
		b = append(b, t.key[:]...)
		b = t.windows.Append(b)
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

// Loader builds a state from the records of a snapshot.
type Loader struct {
	state    *State
	byID     map[uint64]*Series
	complete bool
	read     uint64
}

// NewLoader returns a loader of an empty state.
func NewLoader() *Loader { return &Loader{state: New(), byID: map[uint64]*Series{}} }

// Load reads one record. After an error the entries of the record before the damage are part of the state.
func (l *Loader) Load(b []byte) error {
	r := wire.NewReader(b)
	l.read++
	switch r.Byte() {
	case typeHeader:
		l.header(r)
	case typeSeries:
		for r.Len() > 0 && r.Err() == nil {
			l.series(r)
		}
	case typeWriters:
		for r.Len() > 0 && r.Err() == nil {
			l.writer(r)
		}
	case typeEnd:
		l.complete = r.Uint() == l.read-1
	default:
		r.Fail()
	}
	return r.Err()
}

// State returns the state. complete is false when records are missing.
func (l *Loader) State() (s *State, complete bool) {
	s = l.state
	byIdleTime := slices.SortedStableFunc(slices.Values(s.list), func(a, b *Series) int { return cmp.Compare(a.seen, b.seen) })
	for _, x := range byIdleTime {
		s.idle.touch(&x.idle)
	}
	for _, x := range s.list {
		s.nextID = max(s.nextID, x.ID+1)
		s.clock.Elapsed = max(s.clock.Elapsed, x.seen)
		if !x.delivered {
			s.fresh = append(s.fresh, x)
		}
		s.resize(x)
	}
	return s, l.complete
}

func (l *Loader) header(r *wire.Reader) {
	s := l.state
	s.clock = record.Clock{Elapsed: r.Int(), Wall: r.Int()}
	s.emitted, s.previous, s.nextID = r.Int(), r.Int(), r.Uint()
	if r.Err() != nil {
		return
	}
	settings, err := record.Read(r.Bytes(r.Len()))
	if v, ok := settings.(*record.Settings); ok && err == nil {
		s.settings = *v
	} else {
		r.Fail()
	}
}

func (l *Loader) series(r *wire.Reader) {
	s := l.state
	key, description := r.String(), r.String()
	parts := wire.NewReader([]byte(key))
	name := identity.ReadMetric(parts)
	for range 3 {
		parts.LengthAndBytes()
	}
	loaded := Series{
		ID: r.Uint(), rule: record.Rule(r.Byte()), born: r.Int(), seen: r.Int(), delivered: r.Bool(), hasValue: r.Bool(),
		time: r.Uint(), value: value.Read(r),
	}
	for range r.Count(len(value.Exemplar{}.TraceID)) {
		loaded.exemplars = append(loaded.exemplars, exemplar{value.ReadExemplar(r), r.Int()})
	}
	if parts.Err() != nil || parts.Len() > 0 || s.series[key] != nil || l.byID[loaded.ID] != nil || loaded.ID == 0 ||
		loaded.ID == math.MaxUint64 || loaded.rule > record.Sum || len(loaded.exemplars) > MaxExemplars || !fits(name, loaded.value) {
		r.Fail()
	}
	if r.Err() != nil {
		return
	}
	m := s.metrics[name]
	if m == nil {
		m = &metric{Metric: name, description: description}
		s.metrics[name] = m
	}
	x := s.newSeries(key, m)
	x.ID, x.rule, x.born, x.seen, x.delivered = loaded.ID, loaded.rule, loaded.born, loaded.seen, loaded.delivered
	x.hasValue, x.time, x.value, x.exemplars = loaded.hasValue, loaded.time, loaded.value, loaded.exemplars
	l.byID[x.ID] = x
}

// fits reports whether the value is of the metric's kind. A histogram that never had a point has no buckets yet.
func fits(m identity.Metric, v value.Value) bool {
	switch {
	case v.Histogram != nil:
		return m.Kind == identity.Histogram
	case v.Exponential != nil:
		return m.Kind == identity.ExponentialHistogram
	}
	return true
}

func (l *Loader) writer(r *wire.Reader) {
	s := l.state
	w := &writer{key: identity.ReadKey(r), seen: r.Int()}
	w.active.owner = w
	if s.writers[w.key] != nil {
		r.Fail()
	}
	n := r.Count(len(identity.Key{}))
	var streams []*stream
	for range n {
		t := l.stream(r)
		if r.Err() != nil {
			return
		}
		streams = append(streams, t)
	}
	if r.Err() != nil {
		return
	}
	s.writers[w.key] = w
	s.bytes += writerBytes
	s.active.touch(&w.active)
	s.clock.Elapsed = max(s.clock.Elapsed, w.seen)
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

func (l *Loader) stream(r *wire.Reader) *stream {
	t := &stream{key: identity.ReadKey(r), windows: window.Read(r), size: streamBytes}
	if l.state.streams[t.key] != nil {
		r.Fail()
	}
	if !r.Bool() {
		return t
	}
	t.extra = &extra{}
	for range r.Count(3) {
		t.extra.incarnations = append(t.extra.incarnations, incarnation{r.Uint(), r.Uint(), value.Read(r)})
	}
	for i, list := 1, t.extra.incarnations; i < len(list); i++ {
		if list[i].start <= list[i-1].start {
			r.Fail()
		}
	}
	if len(t.extra.incarnations) > maxIncarnations {
		r.Fail()
	}
	id := r.Uint()
	t.extra.time, t.extra.value = r.Uint(), value.ReadNumber(r)
	if x := l.byID[id]; x != nil && x.sums() {
		t.extra.series = x
	}
	return t
}
