package value

import "math"

// alignZero raises the zero threshold of e and o to the higher of both and moves the buckets below it into the zero
// bucket. A bucket that straddles the threshold and has values raises it to the bucket's upper bound, so no value is
// counted as larger or smaller than it is.
func (e *Exponential) alignZero(o *Exponential) {
	if e.ZeroThreshold == o.ZeroThreshold {
		return
	}
	threshold := math.Max(e.ZeroThreshold, o.ZeroThreshold)
	for {
		raised := math.Max(e.zeroUpTo(threshold), o.zeroUpTo(threshold))
		if raised == threshold {
			break
		}
		threshold = raised
	}
	e.raiseZero(threshold)
	o.raiseZero(threshold)
}

// upper returns the upper bound of the bucket with this index.
func upper(scale int32, index int64) float64 {
	return math.Exp2(math.Ldexp(float64(index+1), -int(scale)))
}

// zeroUpTo returns the upper bound of a bucket with values that straddles the threshold, else the threshold.
func (e *Exponential) zeroUpTo(threshold float64) float64 {
	result := threshold
	for _, side := range []Buckets{e.Positive, e.Negative} {
		for i, n := range side.Counts {
			index := int64(side.Offset) + int64(i)
			if upper(e.Scale, index-1) >= threshold {
				break
			}
			if high := upper(e.Scale, index); n > 0 && high > threshold && !math.IsInf(high, 0) {
				result = math.Max(result, high)
			}
		}
	}
	return result
}

// raiseZero sets the threshold and moves buckets whose lower bound is below it into the zero bucket.
func (e *Exponential) raiseZero(threshold float64) {
	e.ZeroThreshold = threshold
	for _, side := range []*Buckets{&e.Positive, &e.Negative} {
		for i, n := range side.Counts {
			if upper(e.Scale, int64(side.Offset)+int64(i)-1) >= threshold {
				break
			}
			e.ZeroCount += n
			side.Counts[i] = 0
		}
		*side = side.trim()
	}
}
