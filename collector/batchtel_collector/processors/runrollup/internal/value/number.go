// Package value holds the values of series and the arithmetic on them: numbers, explicit histograms and exponential
// histograms, each with addition (of deltas) and subtraction (of two cumulative points).
package value

import (
	"math"

	"batchtel/runrollup/internal/wire"
)

// Number is a sum of integers and floating-point values. The two parts are kept apart: integers are added exactly, and
// a first float changes the type of the total, never its value.
type Number struct {
	Int   int64
	Float float64
	// Mixed is true when at least one part was a float; the total is then reported as a double.
	Mixed bool
}

// Integer returns the number v.
func Integer(v int64) Number { return Number{Int: v} }

// Double returns the number v.
func Double(v float64) Number { return Number{Float: v, Mixed: true} }

// Total returns the number as a double.
func (n Number) Total() float64 {
	if !n.Mixed {
		return float64(n.Int)
	}
	return float64(n.Int) + n.Float
}

// Add returns n + m. Integers that overflow 64 bits continue as doubles.
func (n Number) Add(m Number) Number {
	sum := Number{Int: n.Int + m.Int, Float: plus(n.Float, m.Float), Mixed: n.Mixed || m.Mixed}
	if (m.Int > 0 && sum.Int < n.Int) || (m.Int < 0 && sum.Int > n.Int) {
		sum.Float = plus(sum.Float, float64(n.Int))
		sum.Int = m.Int
		sum.Mixed = true
	}
	return sum
}

// plus returns a + b, at most the greatest finite double: an infinite total would hide all later increments and could
// not be read back.
func plus(a, b float64) float64 { return max(-math.MaxFloat64, min(math.MaxFloat64, a+b)) }

// Sub returns n - m, exact for two integers.
func (n Number) Sub(m Number) Number {
	return n.Add(Number{Int: -m.Int, Float: -m.Float, Mixed: m.Mixed})
}

// Compare returns -1, 0 or 1 for n < m, n = m and n > m.
func (n Number) Compare(m Number) int {
	if !n.Mixed && !m.Mixed {
		switch {
		case n.Int < m.Int:
			return -1
		case n.Int > m.Int:
			return 1
		}
		return 0
	}
	switch a, b := n.Total(), m.Total(); {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Negative reports whether the number is below zero.
func (n Number) Negative() bool { return n.Compare(Number{}) < 0 }

// Finite reports whether the number is neither NaN nor infinite.
func (n Number) Finite() bool { return !math.IsNaN(n.Float) && !math.IsInf(n.Float, 0) }

// Append appends the number to b.
func (n Number) Append(b []byte) []byte {
	b = wire.AppendBool(b, n.Mixed)
	b = wire.AppendInt(b, n.Int)
	if n.Mixed {
		b = wire.AppendFloat(b, n.Float)
	}
	return b
}

// ReadNumber reads what Append wrote.
func ReadNumber(r *wire.Reader) Number {
	n := Number{Mixed: r.Bool(), Int: r.Int()}
	if n.Mixed {
		n.Float = r.Float()
	}
	if !n.Finite() {
		r.Fail()
	}
	return n
}
