package state

import (
	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/value"
	"batchtel/runrollup/internal/window"
)

// Outcome is what became of the points of a request.
type Outcome struct {
	// Accepted points changed the state; Overflowed and Rebucketed are among them.
	Accepted, Overflowed, Rebucketed int
	// Duplicate points were accepted before.
	Duplicate int
	// TooOld points belong to a time that the window set has forgotten, TooManyMetrics points to a metric beyond the limit of
	// metrics, WrongKind points to a metric whose name a live metric of another kind has.
	TooOld, TooManyMetrics, WrongKind Rejected
	// Evicted is the number of writers that were forgotten before their horizon because of the limit of streams.
	Evicted int
}

// Rejected are points that were not added for one reason.
type Rejected struct {
	Points int
	// Metric is the name of the first metric with such a point.
	Metric string
}

func (r *Rejected) add(g *record.Group) {
	if r.Points == 0 {
		r.Metric = g.Metric.Name
	}
	r.Points++
}

// Add applies a request.
func (s *State) Add(q *record.Request) Outcome {
	var out Outcome
	s.advance(q.Clock)
	for i := range q.Groups {
		g := &q.Groups[i]
		var w *writer
		if remembers(g) {
			w = s.touch(g.Writer)
		}
		for j := range g.Points {
			s.addPoint(g, &g.Points[j], w, &out)
		}
	}
	s.packQuiet(packedByRequest)
	for s.settings.Streams > 0 && uint64(s.Streams()) > s.settings.Streams {
		w, ok := s.longestSilent()
		if !ok || len(s.writers) == 1 {
			break
		}
		s.dismiss(w)
		out.Evicted++
	}
	return out
}

// remembers reports whether points of the group have to be remembered per writer. Maxima, minima and last values do
// not: adding one of them twice changes nothing.
func remembers(g *record.Group) bool {
	return g.Metric.Kind != identity.Gauge || g.Rule == record.Sum
}

func (s *State) addPoint(g *record.Group, p *record.Point, w *writer, out *Outcome) {
	x, overflowed := s.find(g, p.Attributes)
	if x == nil {
		if s.isTaken(g.Metric) {
			out.WrongKind.add(g)
		} else {
			out.TooManyMetrics.add(g)
		}
		return
	}
	v, exact := p.Value, true
	if v.Histogram != nil && x.value.Histogram != nil {
		v.Histogram, exact = v.Histogram.Rebucket(x.value.Histogram.Bounds)
	}
	verdict := window.Added
	switch {
	case w == nil:
		x.observe(p)
	case x.sums():
		verdict = s.replace(g, p, w, x)
	default:
		t := s.stream(w, p.Stream)
		if g.Cumulative {
			v, verdict = t.increment(p.Start, p.Time, v)
		} else {
			verdict = t.windows.Add(window.Pair{Start: p.Start, Time: p.Time})
		}
		s.resizeStream(t)
		if verdict == window.Added {
			x.value.Add(v)
		}
	}
	switch verdict {
	case window.Duplicate:
		out.Duplicate++
	case window.TooOld:
		out.TooOld.add(g)
	default:
		out.Accepted++
		if overflowed {
			out.Overflowed++
		}
		if !exact {
			out.Rebucketed++
		}
		x.addExemplars(p.Exemplars, s.emitted)
	}
	x.seen = s.clock.Elapsed
	s.idle.touch(&x.idle)
	s.resize(x)
}

// observe applies the point of a gauge whose rule needs no writers.
func (x *Series) observe(p *record.Point) {
	n, order := p.Value.Number, p.Value.Number.Compare(x.value.Number)
	later := p.Time > x.time || (p.Time == x.time && order > 0)
	if !x.hasValue || (x.rule == record.Maximum && order > 0) || (x.rule == record.Minimum && order < 0) ||
		(x.rule == record.Last && later) {
		x.value.Number, x.time, x.hasValue = n, p.Time, true
	}
}

// replace applies the point of a sum over live writers.
func (s *State) replace(g *record.Group, p *record.Point, w *writer, x *Series) window.Verdict {
	t := s.stream(w, p.Stream)
	if t.extra == nil {
		t.extra = &extra{}
	}
	defer s.resizeStream(t)
	e := t.extra
	if g.Metric.Kind == identity.UpDownCounter && !g.Cumulative {
		if v := t.windows.Add(window.Pair{Start: p.Start, Time: p.Time}); v != window.Added {
			return v
		}
		e.value = e.value.Add(p.Value.Number)
	} else {
		if e.time != 0 && p.Time <= e.time {
			return window.Duplicate
		}
		e.value = p.Value.Number
	}
	e.time = max(e.time, p.Time)
	t.join(x)
	return window.Added
}

// Total returns the value that is emitted.
func (x *Series) Total() value.Value {
	if !x.sums() {
		return x.value
	}
	var total value.Number
	for _, member := range x.members {
		total = total.Add(member.extra.value)
	}
	return value.Value{Number: total}
}
