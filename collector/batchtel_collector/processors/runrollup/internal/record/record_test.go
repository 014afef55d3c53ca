package record

import (
	"testing"

	"github.com/stretchr/testify/require"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/value"
)

func sample() *Request {
	return &Request{Clock: Clock{1, 2}, Groups: []Group{{
		Writer: identity.Hash([]byte("w")), Metric: identity.Metric{Name: "runs", Unit: "{run}", Kind: identity.Counter},
		Description: "Runs.", Rule: Sum, Cumulative: true, Configured: true, Limit: 7, Resource: "r", Scope: "s",
		Points: []Point{{
			Attributes: "a", Stream: identity.Hash([]byte("s")), Start: 9, Time: 5, Value: value.Value{Number: value.Double(2.5)},
			Exemplars: []value.Exemplar{{Time: 3, Value: value.Integer(1), TraceID: [16]byte{1}, SpanID: [8]byte{2}}},
		}},
	}, {
		Metric: identity.Metric{Name: "duration", Kind: identity.Histogram},
		Points: []Point{{Value: value.Value{Histogram: &value.Histogram{Bounds: []float64{1}, Counts: []uint64{1, 2}}}}},
	}}}
}

func TestRecordsAreReadBack(t *testing.T) {
	request := sample()
	encoded := request.Append(nil)
	request.Clock = Clock{-5, 1 << 60}
	Stamp(encoded, request.Clock)
	settings := &Settings{Horizon: 1, Expiry: -2, Interval: 3, Series: 4, Metrics: 5, Streams: 6}
	emission := &Emission{Clock: Clock{1, 2}, Time: 3}
	delivered := &Delivered{IDs: []uint64{1, 5, 1 << 40}}
	for _, c := range []struct {
		encoded []byte
		want    any
	}{
		{encoded, request}, {settings.Append(nil), settings}, {emission.Append(nil), emission}, {delivered.Append(nil), delivered},
	} {
		got, err := Read(c.encoded)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
		for n := range c.encoded {
			_, err := Read(c.encoded[:n])
			require.Error(t, err, "%T cut to %d bytes", c.want, n)
		}
		_, err = Read(append(c.encoded, 0))
		require.Error(t, err)
	}
	_, err := Read([]byte{0x7f})
	require.Error(t, err)
}

func FuzzRead(f *testing.F) {
	f.Add(sample().Append(nil))
	f.Add(Settings{Horizon: 1}.Append(nil))
	f.Add(Delivered{IDs: []uint64{1, 2}}.Append(nil))
	f.Add(Emission{Time: 1}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(b)
		if err != nil {
			return
		}
		if q, ok := r.(*Request); ok {
			again, err := Read(q.Append(nil))
			require.NoError(t, err)
			require.Equal(t, q, again)
		}
	})
}
