package value

import (
	"math"
	"slices"

	"batchtel/runrollup/internal/wire"
)

// MaxBuckets is the number of buckets that one side of an exponential histogram keeps. Where more are needed the scale
// falls and neighbouring buckets merge (the default of the SDK specification).
const MaxBuckets = 160

// Buckets are consecutive buckets of one sign. Bucket i has the index Offset+i and counts absolute values in
// (base^index, base^(index+1)] with base = 2^(2^-scale).
type Buckets struct {
	Offset int32
	Counts []uint64
}

// Exponential is an exponential histogram.
type Exponential struct {
	Summary
	Scale         int32
	ZeroCount     uint64
	ZeroThreshold float64
	Positive      Buckets
	Negative      Buckets
}

// Valid reports whether the counts add up to Count, indexes fit in 32 bits and the zero threshold is not negative.
func (e *Exponential) Valid() bool {
	if !e.valid() || e.ZeroCount > MaxCount || !(e.ZeroThreshold >= 0) || math.IsInf(e.ZeroThreshold, 0) {
		return false
	}
	total := e.ZeroCount
	for _, side := range []Buckets{e.Positive, e.Negative} {
		if int64(side.Offset)+int64(len(side.Counts)) > math.MaxInt32 {
			return false
		}
		for _, n := range side.Counts {
			if n > MaxCount {
				return false
			}
			total += n
		}
	}
	return total == e.Count
}

// trim returns the buckets without empty ones at both ends.
func (b Buckets) trim() Buckets {
	first, last := 0, len(b.Counts)
	for first < last && b.Counts[first] == 0 {
		first++
	}
	for last > first && b.Counts[last-1] == 0 {
		last--
	}
	if first == last {
		return Buckets{}
	}
	return Buckets{Offset: b.Offset + int32(first), Counts: b.Counts[first:last]}
}

// shrink returns the buckets with 2^by neighbours merged into one. Index i becomes i >> by, for negative i too.
func (b Buckets) shrink(by uint32) Buckets {
	if by == 0 || len(b.Counts) == 0 {
		return b
	}
	by = min(by, 31)
	first, last := b.Offset>>by, int32((int64(b.Offset)+int64(len(b.Counts))-1)>>by)
	result := Buckets{Offset: first, Counts: make([]uint64, last-first+1)}
	for i, n := range b.Counts {
		result.Counts[int32((int64(b.Offset)+int64(i))>>by)-first] += n
	}
	return result
}

// span returns the number of buckets from the lowest to the highest index of a and b after merging 2^by neighbours.
func span(a, b Buckets, by uint32) int64 {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for _, side := range []Buckets{a, b} {
		if len(side.Counts) > 0 {
			low = min(low, int64(side.Offset)>>by)
			high = max(high, (int64(side.Offset)+int64(len(side.Counts))-1)>>by)
		}
	}
	if high < low {
		return 0
	}
	return high - low + 1
}

func (b Buckets) plus(o Buckets) Buckets {
	if len(o.Counts) == 0 {
		return b
	}
	if len(b.Counts) == 0 {
		return Buckets{Offset: o.Offset, Counts: slices.Clone(o.Counts)}
	}
	low := min(b.Offset, o.Offset)
	result := b
	if n := int(span(b, o, 0)); low != b.Offset || n != len(b.Counts) {
		result = Buckets{Offset: low, Counts: make([]uint64, n)}
		copy(result.Counts[b.Offset-low:], b.Counts)
	}
	for i, n := range o.Counts {
		result.Counts[int(o.Offset-low)+i] += n
	}
	return result
}

// minus returns b - o and false when a bucket would fall below zero. o must not reach outside of b with values.
func (b Buckets) minus(o Buckets) (Buckets, bool) {
	result := Buckets{Offset: b.Offset, Counts: slices.Clone(b.Counts)}
	for i, n := range o.Counts {
		if n == 0 {
			continue
		}
		at := int64(o.Offset) + int64(i) - int64(b.Offset)
		if at < 0 || at >= int64(len(b.Counts)) || result.Counts[at] < n {
			return Buckets{}, false
		}
		result.Counts[at] -= n
	}
	return result.trim(), true
}

// downscale merges buckets until the scale is at most scale.
func (e *Exponential) downscale(scale int32) {
	if scale >= e.Scale {
		return
	}
	by := uint32(min(int64(e.Scale)-int64(scale), 31))
	e.Positive, e.Negative = e.Positive.shrink(by), e.Negative.shrink(by)
	e.Scale = scale
}

// Fit trims empty buckets and lowers the scale until both sides fit in MaxBuckets.
func (e *Exponential) Fit() {
	e.Positive, e.Negative = e.Positive.trim(), e.Negative.trim()
	e.fitWith(Buckets{}, Buckets{})
}

func (e *Exponential) fitWith(positive, negative Buckets) {
	var by uint32
	for by < 31 && (span(e.Positive, positive, by) > MaxBuckets || span(e.Negative, negative, by) > MaxBuckets) {
		by++
	}
	e.downscale(e.Scale - int32(by))
}

// Add adds o to e. The result has the lower of both scales, or less where its buckets would exceed MaxBuckets, and the
// higher of both zero thresholds.
func (e *Exponential) Add(o *Exponential) {
	o = o.Clone()
	scale := min(e.Scale, o.Scale)
	e.downscale(scale)
	o.downscale(scale)
	e.fitWith(o.Positive, o.Negative)
	o.downscale(e.Scale)
	e.alignZero(o)
	e.add(o.Summary)
	e.ZeroCount += o.ZeroCount
	e.Positive = e.Positive.plus(o.Positive)
	e.Negative = e.Negative.plus(o.Negative)
}

// Sub returns e - o for two cumulative points of one stream, and false when any bucket of e is below that of o: the
// stream started again.
func (e *Exponential) Sub(o *Exponential) (*Exponential, bool) {
	result, o := e.Clone(), o.Clone()
	scale := min(result.Scale, o.Scale)
	result.downscale(scale)
	o.downscale(scale)
	result.alignZero(o)
	summary, ok := result.sub(o.Summary)
	if !ok || result.ZeroCount < o.ZeroCount {
		return nil, false
	}
	result.Summary = summary
	result.ZeroCount -= o.ZeroCount
	if result.Positive, ok = result.Positive.minus(o.Positive); !ok {
		return nil, false
	}
	if result.Negative, ok = result.Negative.minus(o.Negative); !ok {
		return nil, false
	}
	return result, true
}

// Clone returns a copy that shares nothing.
func (e *Exponential) Clone() *Exponential {
	c := *e
	c.Positive.Counts = slices.Clone(e.Positive.Counts)
	c.Negative.Counts = slices.Clone(e.Negative.Counts)
	return &c
}

// Append appends the histogram to b.
func (e *Exponential) Append(b []byte) []byte {
	b = e.append(b)
	b = wire.AppendInt(b, int64(e.Scale))
	b = wire.AppendUint(b, e.ZeroCount)
	b = wire.AppendFloat(b, e.ZeroThreshold)
	for _, side := range []Buckets{e.Positive, e.Negative} {
		b = wire.AppendInt(b, int64(side.Offset))
		b = wire.AppendUints(b, side.Counts)
	}
	return b
}

// ReadExponential reads what Append wrote.
func ReadExponential(r *wire.Reader) *Exponential {
	e := &Exponential{Summary: readSummary(r), Scale: readInt32(r), ZeroCount: r.Uint(), ZeroThreshold: r.Float()}
	if !finite(e.ZeroThreshold) || e.ZeroThreshold < 0 {
		r.Fail()
	}
	for _, side := range []*Buckets{&e.Positive, &e.Negative} {
		side.Offset = readInt32(r)
		side.Counts = r.Uints()
		if int64(side.Offset)+int64(len(side.Counts)) > math.MaxInt32 {
			r.Fail()
		}
	}
	e.Fit()
	return e
}

func readInt32(r *wire.Reader) int32 {
	v := r.Int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.Fail()
		return 0
	}
	return int32(v)
}
