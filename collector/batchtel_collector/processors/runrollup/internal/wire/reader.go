package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrMalformed is reported when bytes end early or a length exceeds what is left.
var ErrMalformed = errors.New("malformed bytes")

// Reader reads what the Append functions wrote. After the first error every read returns a zero value, so callers
// check Err once at the end of a record.
type Reader struct {
	buf []byte
	err error
}

// NewReader returns a reader of b. Byte slices and strings that it returns are copies or parts of b as documented.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Fail makes Err return ErrMalformed.
func (r *Reader) Fail() {
	if r.err == nil {
		r.err = ErrMalformed
	}
	r.buf = nil
}

// Len returns the number of bytes left.
func (r *Reader) Len() int { return len(r.buf) }

// Uint reads an unsigned varint.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.buf)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

// Int reads a signed varint.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.buf)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

// Float reads 8 bytes.
func (r *Reader) Float() float64 {
	b := r.Bytes(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// Bool reads one byte. Any value but 0 and 1 is malformed.
func (r *Reader) Bool() bool {
	switch r.Byte() {
	case 0:
		return false
	case 1:
		return true
	default:
		r.Fail()
		return false
	}
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	b := r.Bytes(1)
	if b == nil {
		return 0
	}
	return b[0]
}

// Bytes returns the next n bytes, a part of the reader's input.
func (r *Reader) Bytes(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.buf) {
		r.Fail()
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b
}

// String reads a string with its length. The result is a copy.
func (r *Reader) String() string { return string(r.LengthAndBytes()) }

// LengthAndBytes reads a length and that many bytes, a part of the reader's input.
func (r *Reader) LengthAndBytes() []byte {
	n := r.Uint()
	if n > uint64(len(r.buf)) {
		r.Fail()
		return nil
	}
	return r.Bytes(int(n))
}

// Count reads the number of elements that follow, each of at least size bytes.
func (r *Reader) Count(size int) int {
	n := r.Uint()
	if n > uint64(len(r.buf))/uint64(max(size, 1)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Floats reads what AppendFloats wrote; nil when it was empty.
func (r *Reader) Floats() []float64 {
	n := r.Count(8)
	if n == 0 {
		return nil
	}
	values := make([]float64, n)
	for i := range values {
		values[i] = r.Float()
	}
	return values
}

// Uints reads what AppendUints wrote; nil when it was empty.
func (r *Reader) Uints() []uint64 {
	n := r.Count(1)
	if n == 0 {
		return nil
	}
	values := make([]uint64, n)
	for i := range values {
		values[i] = r.Uint()
	}
	return values
}
