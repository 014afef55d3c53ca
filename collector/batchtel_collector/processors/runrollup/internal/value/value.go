package value

import "batchtel/runrollup/internal/wire"

// Value is the value of a point or of a series. Exactly one field is used; which one follows from the kind of the
// metric.
type Value struct {
	Number      Number
	Histogram   *Histogram
	Exponential *Exponential
}

// Add adds o to v. v shares nothing with o afterwards. Two explicit histograms have the same bounds.
func (v *Value) Add(o Value) {
	switch {
	case o.Histogram != nil && v.Histogram == nil:
		v.Histogram = o.Histogram.Clone()
	case o.Histogram != nil:
		v.Histogram.Add(o.Histogram)
	case o.Exponential != nil && v.Exponential == nil:
		v.Exponential = o.Exponential.Clone()
	case o.Exponential != nil:
		v.Exponential.Add(o.Exponential)
	default:
		v.Number = v.Number.Add(o.Number)
	}
}

// Sub returns v - o for two cumulative values of one monotonic stream, and false when v is below o.
func (v Value) Sub(o Value) (Value, bool) {
	switch {
	case v.Histogram != nil && o.Histogram != nil:
		earlier, _ := o.Histogram.Rebucket(v.Histogram.Bounds)
		h, ok := v.Histogram.Sub(earlier)
		return Value{Histogram: h}, ok
	case v.Exponential != nil && o.Exponential != nil:
		e, ok := v.Exponential.Sub(o.Exponential)
		return Value{Exponential: e}, ok
	case v.Histogram != nil || o.Histogram != nil || v.Exponential != nil || o.Exponential != nil:
		return Value{}, false
	}
	return Value{Number: v.Number.Sub(o.Number)}, v.Number.Compare(o.Number) >= 0
}

// Append appends the value to b.
func (v Value) Append(b []byte) []byte {
	switch {
	case v.Histogram != nil:
		return v.Histogram.Append(append(b, formHistogram))
	case v.Exponential != nil:
		return v.Exponential.Append(append(b, formExponential))
	}
	return v.Number.Append(append(b, formNumber))
}

const (
	formNumber byte = iota
	formHistogram
	formExponential
)

// Read reads what Append wrote.
func Read(r *wire.Reader) Value {
	switch r.Byte() {
	case formNumber:
		return Value{Number: ReadNumber(r)}
	case formHistogram:
		return Value{Histogram: ReadHistogram(r)}
	case formExponential:
		return Value{Exponential: ReadExponential(r)}
	}
	r.Fail()
	return Value{}
}

// IsZero reports whether the value adds nothing to another one.
func (v Value) IsZero() bool {
	switch {
	case v.Histogram != nil:
		return v.Histogram.Count == 0
	case v.Exponential != nil:
		return v.Exponential.Count == 0
	}
	return v.Number.Compare(Number{}) == 0
}

// Zero returns the value of the same form and buckets that counts nothing.
func (v Value) Zero() Value {
	switch {
	case v.Histogram != nil:
		return Value{Histogram: &Histogram{
			Summary: Summary{HasSum: v.Histogram.HasSum}, Bounds: v.Histogram.Bounds,
			Counts: make([]uint64, len(v.Histogram.Counts)),
		}}
	case v.Exponential != nil:
		return Value{Exponential: &Exponential{
			Summary: Summary{HasSum: v.Exponential.HasSum}, Scale: v.Exponential.Scale,
			ZeroThreshold: v.Exponential.ZeroThreshold,
		}}
	}
	return Value{Number: Number{Mixed: v.Number.Mixed}}
}
