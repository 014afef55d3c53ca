package record

import "batchtel/runrollup/internal/wire"

// Settings are the limits that hold for the records after them, until the next settings.
type Settings struct {
	// Horizon is the time after a writer's last point at which the writer is forgotten, in nanoseconds.
	Horizon int64
	// Expiry is the time without points after which a series ends, in nanoseconds.
	Expiry int64
	// Interval is the time between two emissions, in nanoseconds.
	Interval int64
	// Series, Metrics and Streams are the numbers of series, metrics and streams of writers; 0 is no limit.
	Series, Metrics, Streams uint64
}

// Append appends the settings to b.
func (s Settings) Append(b []byte) []byte {
	b = append(b, TypeSettings)
	for _, v := range []int64{s.Horizon, s.Expiry, s.Interval} {
		b = wire.AppendInt(b, v)
	}
	for _, v := range []uint64{s.Series, s.Metrics, s.Streams} {
		b = wire.AppendUint(b, v)
	}
	return b
}

func readSettings(r *wire.Reader) *Settings {
	return &Settings{
		Horizon: r.Int(), Expiry: r.Int(), Interval: r.Int(), Series: r.Uint(), Metrics: r.Uint(), Streams: r.Uint(),
	}
}

// Emission is one emission: its time is the timestamp of every point in it, and what is idle at it ends.
type Emission struct {
	Clock Clock
	// Time is in Unix nanoseconds.
	Time int64
}

// Append appends the emission to b.
func (e Emission) Append(b []byte) []byte {
	b = appendClock(append(b, TypeEmission), e.Clock)
	return wire.AppendInt(b, e.Time)
}

// Delivered lists series whose zero the next component has accepted.
type Delivered struct {
	// IDs are in ascending order.
	IDs []uint64
}

// Append appends the list to b.
func (d Delivered) Append(b []byte) []byte {
	b = wire.AppendUint(append(b, TypeDelivered), uint64(len(d.IDs)))
	var before uint64
	for _, id := range d.IDs {
		b = wire.AppendUint(b, id-before)
		before = id
	}
	return b
}

func readDelivered(r *wire.Reader) *Delivered {
	d := &Delivered{IDs: make([]uint64, r.Count(1))}
	var before uint64
	for i := range d.IDs {
		before += r.Uint()
		d.IDs[i] = before
	}
	return d
}

// Read reads one record: *Settings, *Request, *Emission or *Delivered. An error means that the record is damaged or of
// an unknown type.
func Read(b []byte) (any, error) {
	r := wire.NewReader(b)
	var result any
	switch r.Byte() {
	case TypeSettings:
		result = readSettings(r)
	case TypeRequest:
		result = readRequest(r)
	case TypeEmission:
		result = &Emission{Clock: readClock(r), Time: r.Int()}
	case TypeDelivered:
		result = readDelivered(r)
	default:
		r.Fail()
	}
	if r.Len() > 0 {
		r.Fail()
	}
	return result, r.Err()
}
