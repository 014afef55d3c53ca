package state

import (
	"slices"

	"batchtel/runrollup/internal/record"
)

// Emit applies an emission: it ends idle series and writers and returns the ended series.
func (s *State) Emit(e record.Emission) (ended []*Series) {
	s.advance(e.Clock)
	s.previous, s.emitted = s.emitted, e.Time
	for _, x := range s.fresh {
		// The system clock went back after the series was created.
		if x.born >= e.Time {
			x.born = e.Time - max(s.settings.Interval, birthGap)
		}
	}
	for {
		w, ok := s.longestSilent()
		if !ok || s.clock.Elapsed-w.seen < s.settings.Horizon || s.settings.Horizon == 0 {
			break
		}
		s.dismiss(w)
	}
	s.packQuiet(packedByEmission)
	for {
		x, ok := s.idle.front()
		if !ok || s.clock.Elapsed-x.seen < s.settings.Expiry || s.settings.Expiry == 0 {
			break
		}
		s.forget(x)
		ended = append(ended, x)
	}
	if len(ended) > 0 {
		gone := make(map[*Series]bool, len(ended))
		for _, x := range ended {
			gone[x] = true
		}
		drop := func(x *Series) bool { return gone[x] }
		s.list = slices.DeleteFunc(s.list, drop)
		s.fresh = slices.DeleteFunc(s.fresh, drop)
	}
	return ended
}

// Deliver notes series whose zero the next component has accepted.
func (s *State) Deliver(d record.Delivered) {
	s.fresh = slices.DeleteFunc(s.fresh, func(x *Series) bool {
		_, found := slices.BinarySearch(d.IDs, x.ID)
		x.delivered = x.delivered || found
		return found
	})
}

// Skip notes an emission that could not be recorded: nothing ends.
func (s *State) Skip(e record.Emission) { s.previous, s.emitted = s.emitted, e.Time }
