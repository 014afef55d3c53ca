package value

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"batchtel/runrollup/internal/wire"
)

func explicit(bounds []float64, counts ...uint64) *Histogram {
	h := &Histogram{Bounds: bounds, Counts: counts}
	for _, n := range counts {
		h.Count += n
	}
	return h
}

func TestRebucket(t *testing.T) {
	own := []float64{1, 2, 5, 10}
	for name, c := range map[string]struct {
		from  *Histogram
		want  []uint64
		exact bool
	}{
		"same bounds":                   {explicit(own, 1, 2, 3, 4, 5), []uint64{1, 2, 3, 4, 5}, true},
		"each of theirs is one of ours": {explicit([]float64{2, 10}, 1, 2, 3), []uint64{0, 1, 0, 2, 3}, true},
		"each of ours is one of theirs": {
			explicit([]float64{0.5, 1, 2, 3, 5, 10, 20}, 1, 1, 1, 1, 1, 1, 1, 1), []uint64{2, 1, 2, 1, 2}, true,
		},
		"no buckets":                        {explicit(nil, 7), []uint64{0, 0, 0, 0, 7}, true},
		"a foreign bound within a bucket":   {explicit([]float64{6, 10}, 0, 3, 0), []uint64{0, 0, 0, 3, 0}, true},
		"a foreign bucket over two of ours": {explicit([]float64{1, 3}, 1, 2, 0), []uint64{1, 0, 2, 0, 0}, false},
		"a foreign bucket without values":   {explicit([]float64{1, 3, 5}, 1, 0, 2), []uint64{1, 0, 0, 0, 2}, true},
		"a foreign last bound":              {explicit([]float64{10, 100}, 1, 2, 3), []uint64{0, 0, 0, 1, 5}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a foreign bucket without values" {
				c.from = explicit([]float64{1, 3, 5}, 1, 0, 0, 2)
			}
			got, exact := c.from.Rebucket(own)
			require.Equal(t, c.want, got.Counts)
			require.Equal(t, c.exact, exact)
			require.Equal(t, c.from.Count, got.Count)
			require.True(t, got.Valid())
		})
	}
}

func genHistogram(bounds []float64) *rapid.Generator[*Histogram] {
	return rapid.Custom(func(t *rapid.T) *Histogram {
		h := explicit(bounds, rapid.SliceOfN(rapid.Uint64Range(0, 9), len(bounds)+1, len(bounds)+1).Draw(t, "counts")...)
		h.HasSum, h.Sum = true, float64(rapid.IntRange(-1000, 1000).Draw(t, "sum"))
		if rapid.Bool().Draw(t, "range") {
			h.HasRange, h.Min, h.Max = true, float64(rapid.IntRange(-9, 0).Draw(t, "min")), float64(rapid.IntRange(0, 9).Draw(t, "max"))
		}
		return h
	})
}

func TestRebucketNeverCountsAValueBelowItsSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bounds := rapid.Map(rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 6, rapid.ID), sorted)
		from, to := bounds.Draw(t, "from"), bounds.Draw(t, "to")
		h := genHistogram(from).Draw(t, "histogram")
		got, exact := h.Rebucket(to)
		require.Equal(t, h.Summary, got.Summary)
		require.True(t, got.Valid())
		// Below each bound there are at most as many values as before, and as many where the bound is shared.
		below := func(h *Histogram, bound float64) (n uint64) {
			for i, b := range h.Bounds {
				if b <= bound {
					n += h.Counts[i]
				}
			}
			return n
		}
		for _, b := range to {
			shared := false
			for _, f := range from {
				shared = shared || f == b
			}
			if shared && exact {
				require.Equal(t, below(h, b), below(got, b))
			}
			require.LessOrEqual(t, below(got, b), below(h, b))
		}
	})
}

func sorted(list []int) []float64 {
	var result []float64
	for i := -1; i <= 20; i++ {
		for _, v := range list {
			if v == i {
				result = append(result, float64(v))
			}
		}
	}
	return result
}

func TestHistogramsAddInAnyOrderAndSubtract(t *testing.T) {
	bounds := []float64{1, 2, 5}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(genHistogram(bounds), 1, 6).Draw(t, "histograms")
		order := rapid.Permutation(list).Draw(t, "order")
		var a, b, all Value
		for i := range list {
			a.Add(Value{Histogram: list[i]})
			b.Add(Value{Histogram: order[i]})
		}
		require.Equal(t, a, b)
		all = Value{Histogram: a.Histogram.Clone()}
		all.Add(Value{Histogram: list[0]})
		difference, ok := all.Sub(a)
		require.True(t, ok)
		require.Equal(t, list[0].Counts, difference.Histogram.Counts)
		require.Equal(t, list[0].Count, difference.Histogram.Count)
		require.Equal(t, list[0].Sum, difference.Histogram.Sum)
		r := wire.NewReader(a.Append(nil))
		require.Equal(t, a, Read(r))
		require.NoError(t, r.Err())
	})
}

func TestValidHistograms(t *testing.T) {
	require.True(t, explicit(nil, 1).Valid())
	for name, h := range map[string]*Histogram{
		"count": {Summary: Summary{Count: 2}, Bounds: []float64{1}, Counts: []uint64{1, 0}},
		"nan":   explicit([]float64{math.NaN()}, 0, 0),
		"inf":   explicit([]float64{math.Inf(1)}, 0, 0),
		"huge":  {Summary: Summary{Count: 1 << 60}, Counts: []uint64{1 << 60}},
		"wrap":  {Summary: Summary{Count: 0}, Bounds: []float64{1}, Counts: []uint64{1 << 63, 1 << 63}},
	} {
		require.False(t, h.Valid(), name)
	}
}

func TestNumbers(t *testing.T) {
	require.Equal(t, Number{Int: 3, Float: 0.5, Mixed: true}, Integer(3).Add(Double(0.5)))
	require.Equal(t, 0, Integer(1).Compare(Double(1)))
	require.Equal(t, -1, Integer(1<<53).Compare(Integer(1<<53+1)))
	require.True(t, Double(-0.1).Negative())
	sum := Integer(math.MinInt64).Add(Integer(-5))
	require.True(t, sum.Mixed)
	require.Equal(t, float64(math.MinInt64)-5, sum.Total())
	v, ok := Value{Number: Integer(1)}.Sub(Value{Number: Integer(2)})
	require.False(t, ok, "%v", v)
}
