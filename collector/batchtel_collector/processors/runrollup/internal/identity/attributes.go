package identity

import (
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"batchtel/runrollup/internal/wire"
)

// Attribute is one attribute on its way into an identity.
type Attribute struct {
	Key   string
	Value pcommon.Value
}

const (
	typeString byte = iota
	typeBool
	typeInt
	typeDouble
	typeBytes
	// typeOther is a list or map, which is kept as its JSON text: labels are strings in Prometheus.
	typeOther
)

// AppendLabels appends the attributes that are emitted. Of a key that is there twice, which OTLP forbids, the last value
// counts: an exporter would fail with both. An empty label is none, as for Prometheus: two series that differ in it only
// would be one sample, and one of them lost.
func AppendLabels(b []byte, attributes []Attribute) []byte {
	sortByKey(attributes)
	kept := attributes[:0]
	for _, a := range attributes {
		if last := len(kept) - 1; last >= 0 && kept[last].Key == a.Key {
			kept[last] = a
			continue
		}
		kept = append(kept, a)
	}
	return AppendAttributes(b, slices.DeleteFunc(kept, func(a Attribute) bool { return IsEmpty(a.Value) }))
}

// IsEmpty reports whether a label has no value.
func IsEmpty(v pcommon.Value) bool {
	return v.Type() == pcommon.ValueTypeEmpty || v.Type() == pcommon.ValueTypeStr && v.Str() == ""
}

func sortByKey(attributes []Attribute) {
	slices.SortStableFunc(attributes, func(a, c Attribute) int { return strings.Compare(a.Key, c.Key) })
}

// AppendAttributes sorts the attributes by key and appends them to b: equal sets give equal bytes.
func AppendAttributes(b []byte, attributes []Attribute) []byte {
	sortByKey(attributes)
	b = wire.AppendUint(b, uint64(len(attributes)))
	for _, a := range attributes {
		b = wire.AppendString(b, a.Key)
		switch a.Value.Type() {
		case pcommon.ValueTypeStr:
			b = wire.AppendString(append(b, typeString), a.Value.Str())
		case pcommon.ValueTypeBool:
			b = wire.AppendBool(append(b, typeBool), a.Value.Bool())
		case pcommon.ValueTypeInt:
			b = wire.AppendInt(append(b, typeInt), a.Value.Int())
		case pcommon.ValueTypeDouble:
			b = wire.AppendFloat(append(b, typeDouble), a.Value.Double())
		case pcommon.ValueTypeBytes:
			b = wire.AppendString(append(b, typeBytes), a.Value.Bytes().AsRaw())
		default:
			b = wire.AppendString(append(b, typeOther), a.Value.AsString())
		}
	}
	return b
}

// ReadAttributes reads what AppendAttributes wrote into to.
func ReadAttributes(r *wire.Reader, to pcommon.Map) {
	n := r.Count(3)
	to.EnsureCapacity(n)
	for range n {
		key := r.String()
		switch r.Byte() {
		case typeString, typeOther:
			to.PutStr(key, r.String())
		case typeBool:
			to.PutBool(key, r.Bool())
		case typeInt:
			to.PutInt(key, r.Int())
		case typeDouble:
			to.PutDouble(key, r.Float())
		case typeBytes:
			to.PutEmptyBytes(key).FromRaw(r.LengthAndBytes())
		default:
			r.Fail()
		}
	}
}
