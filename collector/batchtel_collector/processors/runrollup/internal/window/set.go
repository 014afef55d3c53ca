// Package window holds the time windows of deltas that were accepted from one stream of one writer.
package window

import (
	"cmp"
	"slices"

	"batchtel/runrollup/internal/wire"
)

// Pair identifies a delta within its stream: start and end of its window in Unix nanoseconds, as the sender set them.
// Start is 0 where the sender set none.
type Pair struct{ Start, Time uint64 }

// Verdict is the answer of Set.Add.
type Verdict int

// The verdicts.
const (
	// Added: the pair was new and is in the set now.
	Added Verdict = iota
	// Duplicate: the pair is in the set already.
	Duplicate
	// TooOld: the set has forgotten pairs of this age, so the pair may be in it or not.
	TooOld
)

const (
	// MaxRecent is the number of pairs that a set keeps one by one.
	MaxRecent = 64
	// fold is the number of pairs that leave the recent ones at once.
	fold = MaxRecent / 2
	// MaxSpans is the number of merged windows that a set keeps.
	MaxSpans = 64
)

// Set is a bounded set of pairs. The newest MaxRecent are kept one by one, so two different windows that overlap both
// count. Older ones are merged with their neighbours: an SDK's windows follow each other without gaps, so a stream of
// any length becomes one span, and a pair within a span is a duplicate. When there are more than MaxSpans spans (a
// sender whose windows have gaps), or for windows without a start, the oldest are forgotten, and what is older than
// they were is TooOld. At most about 3 KiB per stream. The zero value is an empty set.
type Set struct {
	recent []Pair
	older  *older
}

type older struct {
	// spans are merged windows, sorted, disjoint and not touching.
	spans []Pair
	// floor is the greatest end of a forgotten window with a start; noStart the same for windows without one.
	floor, noStart uint64
}

func compare(a, b Pair) int {
	if c := cmp.Compare(a.Time, b.Time); c != 0 {
		return c
	}
	return cmp.Compare(a.Start, b.Start)
}

// Add adds the pair if it is new.
func (s *Set) Add(p Pair) Verdict {
	at, found := slices.BinarySearchFunc(s.recent, p, compare)
	if found {
		return Duplicate
	}
	if s.older != nil {
		if v := s.older.verdict(p); v != Added {
			return v
		}
	}
	s.recent = slices.Insert(s.recent, at, p)
	if len(s.recent) > MaxRecent {
		if s.older == nil {
			s.older = &older{}
		}
		for _, old := range s.recent[:fold] {
			s.older.fold(old)
		}
		s.recent = slices.Clone(s.recent[fold:])
	}
	return Added
}

// merges reports whether the pair is a window that can be merged with others.
func merges(p Pair) bool { return p.Start > 0 && p.Start < p.Time }

func (o *older) verdict(p Pair) Verdict {
	if !merges(p) {
		if p.Time <= o.noStart {
			return TooOld
		}
		return Added
	}
	// The first span that ends at or after the window's end.
	at, _ := slices.BinarySearchFunc(o.spans, p.Time, func(s Pair, t uint64) int { return cmp.Compare(s.Time, t) })
	if at < len(o.spans) && o.spans[at].Start <= p.Start {
		return Duplicate
	}
	if p.Time <= o.floor {
		return TooOld
	}
	return Added
}

func (o *older) fold(p Pair) {
	if !merges(p) {
		o.noStart = max(o.noStart, p.Time)
		return
	}
	// The spans that touch the window: those that end at or after its start and start at or before its end.
	first, _ := slices.BinarySearchFunc(o.spans, p.Start, func(s Pair, t uint64) int { return cmp.Compare(s.Time, t) })
	last := first
	for last < len(o.spans) && o.spans[last].Start <= p.Time {
		p.Start = min(p.Start, o.spans[last].Start)
		p.Time = max(p.Time, o.spans[last].Time)
		last++
	}
	o.spans = slices.Replace(o.spans, first, last, p)
	if len(o.spans) > MaxSpans {
		o.floor = max(o.floor, o.spans[0].Time)
		o.spans = slices.Delete(o.spans, 0, 1)
	}
}

// Clone returns a copy.
func (s *Set) Clone() Set {
	c := Set{recent: slices.Clone(s.recent)}
	if s.older != nil {
		c.older = &older{slices.Clone(s.older.spans), s.older.floor, s.older.noStart}
	}
	return c
}

// Equal reports whether both sets hold the same pairs one by one; never where older ones were merged.
func (s *Set) Equal(o *Set) bool {
	return slices.Equal(s.recent, o.recent) && s.older == nil && o.older == nil
}

// Size returns the bytes of memory that the set holds.
func (s *Set) Size() int {
	n := cap(s.recent) * 16
	if s.older != nil {
		n += 40 + cap(s.older.spans)*16
	}
	return n
}

// Append appends the set to b.
func (s *Set) Append(b []byte) []byte {
	b = appendPairs(b, s.recent)
	b = wire.AppendBool(b, s.older != nil)
	if s.older == nil {
		return b
	}
	b = appendPairs(b, s.older.spans)
	b = wire.AppendUint(b, s.older.floor)
	return wire.AppendUint(b, s.older.noStart)
}

// Read reads what Append wrote.
func Read(r *wire.Reader) Set {
	s := Set{recent: readPairs(r)}
	if !slices.IsSortedFunc(s.recent, compare) || len(s.recent) > MaxRecent {
		r.Fail()
	}
	if !r.Bool() {
		return s
	}
	s.older = &older{spans: readPairs(r), floor: r.Uint(), noStart: r.Uint()}
	if len(s.older.spans) > MaxSpans {
		r.Fail()
	}
	for i, span := range s.older.spans {
		if !merges(span) || (i > 0 && span.Start <= s.older.spans[i-1].Time) {
			r.Fail()
		}
	}
	return s
}

// Pairs are stored by time ascending, so each time is written as its distance to the one before.
func appendPairs(b []byte, pairs []Pair) []byte {
	b = wire.AppendUint(b, uint64(len(pairs)))
	var before uint64
	for _, p := range pairs {
		b = wire.AppendUint(b, p.Time-before)
		b = wire.AppendInt(b, int64(p.Time-p.Start))
		before = p.Time
	}
	return b
}

func readPairs(r *wire.Reader) []Pair {
	n := r.Count(2)
	if n == 0 {
		return nil
	}
	pairs := make([]Pair, n)
	var before uint64
	for i := range pairs {
		before += r.Uint()
		pairs[i] = Pair{Time: before, Start: before - uint64(r.Int())}
	}
	return pairs
}
