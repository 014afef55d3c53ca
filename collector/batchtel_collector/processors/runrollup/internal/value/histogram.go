package value

import (
	"math"
	"slices"

	"batchtel/runrollup/internal/wire"
)

// Histogram is an explicit-bucket histogram. Bucket i counts values in (Bounds[i-1], Bounds[i]]; the last bucket has
// no upper bound, so there is one count more than there are bounds.
type Histogram struct {
	Summary
	Bounds []float64
	Counts []uint64
}

// Valid reports whether bounds rise strictly and are finite, there is one count more than bounds, and the counts add
// up to Count. A histogram without buckets has no bounds and one count.
func (h *Histogram) Valid() bool {
	if !h.valid() || len(h.Counts) != len(h.Bounds)+1 {
		return false
	}
	for i, bound := range h.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) || (i > 0 && bound <= h.Bounds[i-1]) {
			return false
		}
	}
	var total uint64
	for _, n := range h.Counts {
		if n > MaxCount {
			return false
		}
		total += n
	}
	return total == h.Count
}

// Rebucket returns h on other bounds. A bucket moves to the first new bucket whose upper bound is not below its own,
// so each value is still counted at or above its size. exact is false when a bucket with values straddles a new bound
// while its own upper bound is not one of the new ones: its values then have an upper bound that is too high, and only
// count and sum are exact.
func (h *Histogram) Rebucket(bounds []float64) (result *Histogram, exact bool) {
	if slices.Equal(h.Bounds, bounds) {
		return h, true
	}
	result = &Histogram{Summary: h.Summary, Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
	exact = true
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		if i == len(h.Bounds) {
			result.Counts[len(bounds)] += n
			continue
		}
		upper := h.Bounds[i]
		at, shared := slices.BinarySearch(bounds, upper)
		result.Counts[at] += n
		lower := math.Inf(-1)
		if i > 0 {
			lower = h.Bounds[i-1]
		}
		if !shared && at > 0 && bounds[at-1] > lower {
			exact = false
		}
	}
	return result, exact
}

// Add adds o, which has the same bounds, to h.
func (h *Histogram) Add(o *Histogram) {
	h.add(o.Summary)
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
}

// Sub returns h - o, two cumulative histograms of the same bounds. It returns false when any count of h is below that
// of o: the stream started again.
func (h *Histogram) Sub(o *Histogram) (*Histogram, bool) {
	summary, ok := h.sub(o.Summary)
	if !ok {
		return nil, false
	}
	result := &Histogram{Summary: summary, Bounds: h.Bounds, Counts: make([]uint64, len(h.Counts))}
	for i, n := range h.Counts {
		if n < o.Counts[i] {
			return nil, false
		}
		result.Counts[i] = n - o.Counts[i]
	}
	return result, true
}

// Clone returns a copy that shares the bounds, which never change.
func (h *Histogram) Clone() *Histogram {
	return &Histogram{Summary: h.Summary, Bounds: h.Bounds, Counts: slices.Clone(h.Counts)}
}

// Append appends the histogram to b.
func (h *Histogram) Append(b []byte) []byte {
	b = h.append(b)
	b = wire.AppendFloats(b, h.Bounds)
	for _, n := range h.Counts {
		b = wire.AppendUint(b, n)
	}
	return b
}

// ReadHistogram reads what Append wrote. The sum of counts is not limited: it is a total.
func ReadHistogram(r *wire.Reader) *Histogram {
	h := &Histogram{Summary: readSummary(r), Bounds: r.Floats()}
	if len(h.Bounds) >= r.Len() {
		r.Fail()
		return h
	}
	for i, bound := range h.Bounds {
		if !finite(bound) || (i > 0 && bound <= h.Bounds[i-1]) {
			r.Fail()
		}
	}
	h.Counts = make([]uint64, len(h.Bounds)+1)
	for i := range h.Counts {
		h.Counts[i] = r.Uint()
	}
	return h
}
