package value

import (
	"math"

	"batchtel/runrollup/internal/wire"
)

// MaxCount is the largest count of one bucket or point that is accepted. Doubles, which Prometheus stores, are exact
// up to it, and 64-bit sums of counts below it do not wrap.
const MaxCount = 1 << 53

// Summary is what both kinds of histograms have besides their buckets. Sum, Min and Max have the metric's unit.
type Summary struct {
	Count  uint64
	Sum    float64
	HasSum bool
	Min    float64
	Max    float64
	// HasRange is true when Min and Max are set. A range covers all points since the series started.
	HasRange bool
}

func (s *Summary) add(o Summary) {
	s.Count += o.Count
	s.Sum = plus(s.Sum, o.Sum)
	s.HasSum = s.HasSum || o.HasSum
	switch {
	case !o.HasRange:
	case s.HasRange:
		s.Min = math.Min(s.Min, o.Min)
		s.Max = math.Max(s.Max, o.Max)
	default:
		s.Min, s.Max, s.HasRange = o.Min, o.Max, true
	}
}

// sub returns s - o for two cumulative summaries. The range of the difference is the range of s: a cumulative range
// covers earlier points too, and those are part of the series already.
func (s Summary) sub(o Summary) (Summary, bool) {
	if s.Count < o.Count {
		return Summary{}, false
	}
	s.Count -= o.Count
	s.Sum = plus(s.Sum, -o.Sum)
	return s, true
}

func (s Summary) valid() bool {
	if s.Count > MaxCount || math.IsNaN(s.Sum) || math.IsInf(s.Sum, 0) {
		return false
	}
	return !s.HasRange || (finite(s.Min) && finite(s.Max) && s.Min <= s.Max)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (s Summary) append(b []byte) []byte {
	b = wire.AppendUint(b, s.Count)
	var flags byte
	if s.HasSum {
		flags |= 1
	}
	if s.HasRange {
		flags |= 2
	}
	b = append(b, flags)
	if s.HasSum {
		b = wire.AppendFloat(b, s.Sum)
	}
	if s.HasRange {
		b = wire.AppendFloat(b, s.Min)
		b = wire.AppendFloat(b, s.Max)
	}
	return b
}

func readSummary(r *wire.Reader) Summary {
	s := Summary{Count: r.Uint()}
	flags := r.Byte()
	if flags > 3 {
		r.Fail()
	}
	if flags&1 != 0 {
		s.Sum, s.HasSum = r.Float(), true
	}
	if flags&2 != 0 {
		s.Min, s.Max, s.HasRange = r.Float(), r.Float(), true
	}
	if !finite(s.Sum) || !finite(s.Min) || !finite(s.Max) {
		r.Fail()
	}
	return s
}
