package identity

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"batchtel/runrollup/internal/wire"
)

// AppendScope appends name and version of an instrumentation scope to b.
func AppendScope(b []byte, name, version string) []byte {
	return wire.AppendString(wire.AppendString(b, name), version)
}

// ReadScope reads what AppendScope wrote into to.
func ReadScope(r *wire.Reader, to pcommon.InstrumentationScope) {
	to.SetName(r.String())
	to.SetVersion(r.String())
}
