// Package wire appends values to a byte slice and reads them back.
//
// Integers are varints, floats are 8 bytes of IEEE 754 in little endian, strings carry their length. The reader checks
// every length against the bytes that are left, so that damaged input ends in an error and never in a large allocation.
package wire

import (
	"encoding/binary"
	"math"
)

// AppendUint appends v as an unsigned varint.
func AppendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// AppendInt appends v as a signed (zigzag) varint.
func AppendInt(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

// AppendFloat appends the 8 bytes of v.
func AppendFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

// AppendBool appends one byte, 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendString appends the length of s and its bytes.
func AppendString[S ~string | ~[]byte](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// AppendFloats appends the number of values and each of them.
func AppendFloats(b []byte, values []float64) []byte {
	b = AppendUint(b, uint64(len(values)))
	for _, v := range values {
		b = AppendFloat(b, v)
	}
	return b
}

// AppendUints appends the number of values and each of them as a varint.
func AppendUints(b []byte, values []uint64) []byte {
	b = AppendUint(b, uint64(len(values)))
	for _, v := range values {
		b = AppendUint(b, v)
	}
	return b
}
