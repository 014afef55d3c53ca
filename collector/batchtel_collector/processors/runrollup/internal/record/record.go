// Package record defines what is written to the log: one record per request, emission and confirmation.
//
// A record holds everything that its effect depends on, besides the state before it. Nothing is looked up in the
// configuration when a record is applied, so a log that is read back after a change of the configuration has the
// effect it had when it was acknowledged.
package record

import (
	"encoding/binary"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/value"
	"batchtel/runrollup/internal/wire"
)

// The types of records, the first byte of each. A change of a record's layout is a new type.
const (
	TypeSettings  byte = 0x01
	TypeRequest   byte = 0x02
	TypeEmission  byte = 0x03
	TypeDelivered byte = 0x04
)

// Rule is how the values of one gauge series are combined.
type Rule byte

// The rules. Their values are part of the format on disk.
const (
	// Last keeps the value with the latest time; of two values with one time the greater.
	Last Rule = iota
	// Maximum keeps the greatest value.
	Maximum
	// Minimum keeps the least value.
	Minimum
	// Sum adds the last values of all live writers.
	Sum
)

// Clock is when something happened. Elapsed never goes back and does not depend on the system clock: it is the time
// for which processors have been running on this state, in nanoseconds. Wall is the system clock in Unix nanoseconds.
type Clock struct{ Elapsed, Wall int64 }

const clockSize = 16

// Request is one accepted request, already validated point by point.
type Request struct {
	Clock  Clock
	Groups []Group
}

// Group is the points of one metric from one writer.
type Group struct {
	Writer      identity.Key
	Metric      identity.Metric
	Description string
	Rule        Rule
	Cumulative  bool
	// Configured metrics do not need a place within the limit of metrics.
	Configured bool
	// Limit is the number of series of the metric before new ones overflow; 0 is no limit.
	Limit uint64
	// Resource and Scope are the canonical bytes of what is emitted (package identity).
	Resource string
	Scope    string
	Points   []Point
}

// Point is one data point.
type Point struct {
	// Attributes are the canonical bytes of the attributes that are emitted.
	Attributes string
	// Stream identifies the point's stream among those of its writer, by all it was received with.
	Stream identity.Key
	// Start and Time are the sender's, in Unix nanoseconds.
	Start, Time uint64
	Value       value.Value
	Exemplars   []value.Exemplar
}

// Append appends the request to b.
func (q *Request) Append(b []byte) []byte {
	b = append(b, TypeRequest)
	b = appendClock(b, q.Clock)
	b = wire.AppendUint(b, uint64(len(q.Groups)))
	for i := range q.Groups {
		b = q.Groups[i].append(b)
	}
	return b
}

// Stamp sets the clock in the bytes of a request, which are encoded before it is their turn to be written.
func Stamp(encoded []byte, clock Clock) {
	binary.LittleEndian.PutUint64(encoded[1:], uint64(clock.Elapsed))
	binary.LittleEndian.PutUint64(encoded[9:], uint64(clock.Wall))
}

func appendClock(b []byte, c Clock) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Elapsed))
	return binary.LittleEndian.AppendUint64(b, uint64(c.Wall))
}

func readClock(r *wire.Reader) Clock {
	b := r.Bytes(clockSize)
	if b == nil {
		return Clock{}
	}
	return Clock{Elapsed: int64(binary.LittleEndian.Uint64(b)), Wall: int64(binary.LittleEndian.Uint64(b[8:]))}
}

func (g *Group) append(b []byte) []byte {
	b = append(b, g.Writer[:]...)
	b = g.Metric.Append(b)
	b = wire.AppendString(b, g.Description)
	b = append(b, byte(g.Rule))
	b = wire.AppendBool(b, g.Cumulative)
	b = wire.AppendBool(b, g.Configured)
	b = wire.AppendUint(b, g.Limit)
	b = wire.AppendString(b, g.Resource)
	b = wire.AppendString(b, g.Scope)
	b = wire.AppendUint(b, uint64(len(g.Points)))
	for i := range g.Points {
		b = g.Points[i].append(b)
	}
	return b
}

func (p *Point) append(b []byte) []byte {
	b = wire.AppendString(b, p.Attributes)
	b = append(b, p.Stream[:]...)
	b = wire.AppendUint(b, p.Time)
	b = wire.AppendInt(b, int64(p.Time-p.Start))
	b = p.Value.Append(b)
	b = wire.AppendUint(b, uint64(len(p.Exemplars)))
	for _, x := range p.Exemplars {
		b = x.Append(b)
	}
	return b
}

func readRequest(r *wire.Reader) *Request {
	q := &Request{Clock: readClock(r)}
	q.Groups = make([]Group, r.Count(len(identity.Key{})))
	for i := range q.Groups {
		q.Groups[i] = readGroup(r)
		if r.Err() != nil {
			break
		}
	}
	return q
}

func readGroup(r *wire.Reader) Group {
	g := Group{
		Writer: identity.ReadKey(r), Metric: identity.ReadMetric(r), Description: r.String(), Rule: Rule(r.Byte()),
		Cumulative: r.Bool(), Configured: r.Bool(), Limit: r.Uint(), Resource: r.String(), Scope: r.String(),
	}
	if g.Rule > Sum {
		r.Fail()
	}
	g.Points = make([]Point, r.Count(len(identity.Key{})))
	for i := range g.Points {
		g.Points[i] = readPoint(r, g.Metric.Kind)
		if r.Err() != nil {
			break
		}
	}
	return g
}

func readPoint(r *wire.Reader, kind identity.Kind) Point {
	p := Point{Attributes: r.String(), Stream: identity.ReadKey(r), Time: r.Uint()}
	p.Start = p.Time - uint64(r.Int())
	p.Value = value.Read(r)
	if (kind == identity.Histogram) != (p.Value.Histogram != nil) ||
		(kind == identity.ExponentialHistogram) != (p.Value.Exponential != nil) {
		r.Fail()
	}
	n := r.Count(len(value.Exemplar{}.TraceID))
	for range n {
		p.Exemplars = append(p.Exemplars, value.ReadExemplar(r))
	}
	return p
}
