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
	x.ID, x.rule, x.born, x.seen, x.delivered = loaded.ID, loaded.rule, loaded.born, loaded.seen, loaded.delivered || !m.Kind.StartsAtZero()
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
	streams := readStreams(r, n, l.byID)
	if r.Err() != nil {
		return
	}
	s.writers[w.key] = w
	s.bytes += writerBytes
	s.quiet.touch(&w.active)
	s.clock.Elapsed = max(s.clock.Elapsed, w.seen)
	s.adopt(w, streams)
	s.pack(w)
}

// readStreams reads the streams of a writer, and of which of the series they are a part.
func readStreams(r *wire.Reader, n int, byID map[uint64]*Series) (streams []*stream) {
	for i := 0; i < n && r.Err() == nil; i++ {
		t := &stream{key: identity.ReadKey(r), size: streamBytes}
		switch same := r.Bool(); {
		case !same:
			t.windows = window.Read(r)
		case i == 0:
			r.Fail()
		default:
			t.windows = streams[i-1].windows.Clone()
		}
		t.extra = readExtra(r, byID)
		streams = append(streams, t)
	}
	return streams
}

func readExtra(r *wire.Reader, byID map[uint64]*Series) *extra {
	if !r.Bool() {
		return nil
	}
	e := &extra{}
	for range r.Count(3) {
		e.incarnations = append(e.incarnations, incarnation{r.Uint(), r.Uint(), value.Read(r)})
	}
	for i, list := 1, e.incarnations; i < len(list); i++ {
		if list[i].start <= list[i-1].start {
			r.Fail()
		}
	}
	if len(e.incarnations) > maxIncarnations {
		r.Fail()
	}
	id := r.Uint()
	e.time, e.value = r.Uint(), value.ReadNumber(r)
	if x := byID[id]; x != nil && x.sums() {
		e.series = x
	}
	return e
}
