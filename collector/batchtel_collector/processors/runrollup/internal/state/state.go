// Package state holds series and writers in memory and defines the effect of each record on them.
//
// The effect of a record depends on the record and the state before it and on nothing else: no clock, no
// configuration, no order of a map. Reading the log again therefore gives the same state.
package state

import (
	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
)

// State is all series, writers and limits. It is not safe for concurrent use.
type State struct {
	settings record.Settings
	clock    record.Clock
	// emitted and previous are the times of the last emission and of the one before, in Unix nanoseconds.
	emitted, previous int64
	nextID            uint64

	metrics map[identity.Metric]*metric
	series  map[string]*Series
	// list has every series in the order of creation; fresh those whose zero is not delivered.
	list, fresh []*Series
	idle        queue[*Series]
	// limited is the number of series that count against the limit of all series: all but overflow series.
	limited uint64

	writers map[identity.Key]*writer
	// active are writers with points of late, quiet the others: each of these is silent for longer than each of those.
	active, quiet queue[*writer]
	streams       map[identity.Key]*stream
	// packed is the number of streams that are not in streams, because their writer is packed.
	packed int

	bytes int64
	key   []byte
}

// metric is what the series of one metric share.
type metric struct {
	identity.Metric
	description string
	// series is the number of live series; limited those among them that count against limits.
	series, limited uint64
}

// New returns an empty state without limits.
func New() *State {
	s := &State{
		metrics: map[identity.Metric]*metric{},
		series:  map[string]*Series{},
		writers: map[identity.Key]*writer{},
		streams: map[identity.Key]*stream{},
		nextID:  1,
	}
	s.idle.init()
	s.active.init()
	s.quiet.init()
	return s
}

// Clock returns the clock of the last record.
func (s *State) Clock() record.Clock { return s.clock }

// Emitted returns the time of the last emission in Unix nanoseconds, 0 before the first.
func (s *State) Emitted() int64 { return s.emitted }

// Settings returns the limits in force.
func (s *State) Settings() record.Settings { return s.settings }

// Len returns the number of live series.
func (s *State) Len() int { return len(s.list) }

// Writers returns the number of writers that are remembered.
func (s *State) Writers() int { return len(s.writers) }

// Streams returns the number of streams of writers that are remembered.
func (s *State) Streams() int { return len(s.streams) + s.packed }

// Bytes returns the estimated memory of the state in bytes.
func (s *State) Bytes() int64 { return s.bytes }

// Set puts limits into force.
func (s *State) Set(settings record.Settings) { s.settings = settings }

// Replay applies a record that was read back.
func (s *State) Replay(r any) {
	switch r := r.(type) {
	case *record.Settings:
		s.Set(*r)
	case *record.Request:
		s.Add(r)
	case *record.Emission:
		s.Emit(*r)
	case *record.Delivered:
		s.Deliver(*r)
	}
}

// advance moves the clock; elapsed time never goes back.
func (s *State) advance(c record.Clock) {
	s.clock.Elapsed = max(s.clock.Elapsed, c.Elapsed)
	s.clock.Wall = c.Wall
}
