package value

import "batchtel/runrollup/internal/wire"

// Exemplar is one measurement with its trace context. Filtered attributes are not kept: they are what the allow-list
// removed.
type Exemplar struct {
	// Time is the time of the measurement in Unix nanoseconds.
	Time    uint64
	Value   Number
	TraceID [16]byte
	SpanID  [8]byte
}

// Append appends the exemplar to b.
func (x Exemplar) Append(b []byte) []byte {
	b = wire.AppendUint(b, x.Time)
	b = x.Value.Append(b)
	b = append(b, x.TraceID[:]...)
	return append(b, x.SpanID[:]...)
}

// ReadExemplar reads what Append wrote.
func ReadExemplar(r *wire.Reader) Exemplar {
	x := Exemplar{Time: r.Uint(), Value: ReadNumber(r)}
	copy(x.TraceID[:], r.Bytes(len(x.TraceID)))
	copy(x.SpanID[:], r.Bytes(len(x.SpanID)))
	return x
}
