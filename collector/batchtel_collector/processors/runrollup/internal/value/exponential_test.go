package value

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"batchtel/runrollup/internal/wire"
)

// observe returns the exponential histogram of values at a scale, by the definition of the data model.
func observe(scale int32, values []float64) *Exponential {
	e := &Exponential{Scale: scale}
	e.HasSum = true
	for _, v := range values {
		e.Count++
		e.Sum += v
		if v == 0 {
			e.ZeroCount++
			continue
		}
		index := int32(math.Ceil(math.Ldexp(math.Log2(math.Abs(v)), int(scale)))) - 1
		one := Buckets{Offset: index, Counts: []uint64{1}}
		if v > 0 {
			e.Positive = e.Positive.plus(one)
		} else {
			e.Negative = e.Negative.plus(one)
		}
	}
	return e
}

var genValues = rapid.SliceOfN(rapid.Map(rapid.IntRange(-40, 40), func(i int) float64 {
	if i == 0 {
		return 0
	}
	// Away from the bounds of buckets, where the logarithm of this test is not exact.
	return math.Copysign(1.1*math.Exp2(math.Abs(float64(i))/3), float64(i))
}), 0, 20)

func TestExponentialHistogramsMergeAcrossScales(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []float64
		var total Value
		least := int32(math.MaxInt32)
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			values, scale := genValues.Draw(t, "values"), int32(rapid.IntRange(-3, 6).Draw(t, "scale"))
			all = append(all, values...)
			least = min(least, scale)
			e := observe(scale, values)
			require.True(t, e.Valid())
			e.Fit()
			total.Add(Value{Exponential: e})
		}
		got := total.Exponential
		require.True(t, got.Valid())
		require.LessOrEqual(t, got.Scale, least)
		require.LessOrEqual(t, len(got.Positive.Counts), MaxBuckets)
		want := observe(got.Scale, all)
		want.Sum, want.HasSum = got.Sum, got.HasSum
		got.Fit()
		want.Fit()
		require.Equal(t, want, got)
		r := wire.NewReader(total.Append(nil))
		require.Equal(t, total, Read(r))
		require.NoError(t, r.Err())
	})
}

func TestExponentialHistogramsSubtract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, second := genValues.Draw(t, "first"), genValues.Draw(t, "second")
		earlier := observe(int32(rapid.IntRange(0, 4).Draw(t, "earlier scale")), first)
		later := observe(int32(rapid.IntRange(-3, 4).Draw(t, "later scale")), append(append([]float64{}, first...), second...))
		got, ok := later.Sub(earlier)
		require.True(t, ok)
		want := observe(got.Scale, second)
		require.Equal(t, want.Count, got.Count)
		require.Equal(t, want.ZeroCount, got.ZeroCount)
		require.Equal(t, want.Positive.trim(), got.Positive)
		require.Equal(t, want.Negative.trim(), got.Negative)
		if len(second) > 0 {
			_, ok = earlier.Sub(later)
			require.False(t, ok)
		}
	})
}

func TestZeroThresholdsAlign(t *testing.T) {
	a := observe(0, []float64{0.3, 0.6, 3})
	b := observe(0, []float64{0})
	b.ZeroThreshold = 0.4
	a.Add(b)
	require.EqualValues(t, 4, a.Count)
	require.EqualValues(t, 2, a.ZeroCount, "0.3 is in the bucket up to 0.5, which becomes the threshold")
	require.Equal(t, 0.5, a.ZeroThreshold)
	require.True(t, a.Valid())
}

func TestExtremeIndexes(t *testing.T) {
	e := &Exponential{Scale: 20, Positive: Buckets{Offset: math.MaxInt32 - 2, Counts: []uint64{1}}}
	e.Count = 1
	require.True(t, e.Valid())
	o := &Exponential{Scale: 20, Positive: Buckets{Offset: math.MinInt32, Counts: []uint64{1}}}
	o.Count = 1
	e.Add(o)
	require.True(t, e.Valid())
	require.EqualValues(t, 2, e.Count)
	require.LessOrEqual(t, len(e.Positive.Counts), MaxBuckets)
}

func FuzzRead(f *testing.F) {
	f.Add(Value{Number: Double(1.5)}.Append(nil))
	f.Add(Value{Histogram: explicit([]float64{1, 2}, 1, 2, 3)}.Append(nil))
	f.Add(Value{Exponential: observe(3, []float64{1.1, -7, 0})}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		v := Read(r)
		if r.Err() != nil {
			return
		}
		v.Add(Read(wire.NewReader(v.Append(nil))))
		again := wire.NewReader(v.Append(nil))
		require.Equal(t, v, Read(again))
		require.NoError(t, again.Err())
	})
}
