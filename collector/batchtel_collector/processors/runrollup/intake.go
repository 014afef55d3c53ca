package runrollup

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
	"batchtel/runrollup/internal/wire"
)

// intake turns received metrics into a request: points that are valid by themselves, with the identity that they are
// emitted with and the identity that they were received with.
type intake struct {
	rules  *rules
	naming Naming
	// resource is nil when all resource attributes are emitted.
	resource   map[string]bool
	writer     string
	scope      bool
	labelsSize int
	buckets    int
	// now is the clock of this collector.
	now func() time.Time
}

func newIntake(cfg *Config) *intake {
	in := &intake{
		rules: newRules(cfg), naming: cfg.Naming, writer: cfg.WriterAttribute, scope: cfg.Scope, labelsSize: cfg.Limits.LabelsSize,
		buckets: cfg.Limits.Buckets, now: time.Now,
	}
	if cfg.ResourceAttributes != nil {
		in.resource = set(*cfg.ResourceAttributes)
	}
	return in
}

// reading is one pass over received metrics.
type reading struct {
	*intake
	request    *record.Request
	rejected   rejections
	rebucketed int
	// attributes and bytes are buffers.
	attributes []identity.Attribute
	bytes      []byte
	// source is the identity of the writer's stream up to the attributes of the point.
	source []byte
}

// read returns the request and what is not part of it.
func (in *intake) read(md pmetric.Metrics) *reading {
	r := &reading{intake: in, request: &record.Request{}, rejected: rejections{}}
	for _, rm := range md.ResourceMetrics().All() {
		received := r.canonical(rm.Resource().Attributes(), nil)
		group := record.Group{
			Resource: string(r.canonical(rm.Resource().Attributes(), func(key string) bool {
				return key != in.writer && (in.resource == nil || in.resource[key])
			})),
			Writer: identity.Hash(received),
		}
		if v, ok := rm.Resource().Attributes().Get(in.writer); ok {
			group.Writer = identity.Hash([]byte(v.AsString()))
		}
		for _, sm := range rm.ScopeMetrics().All() {
			scope := identity.AppendScope(nil, sm.Scope().Name(), sm.Scope().Version())
			group.Scope = ""
			if in.scope {
				group.Scope = string(scope)
			}
			for _, m := range sm.Metrics().All() {
				r.source = wire.AppendString(append(r.source[:0], group.Writer[:]...), received)
				r.source = wire.AppendString(r.source, scope)
				r.metric(group, m)
			}
		}
	}
	return r
}

// canonical returns the bytes of the attributes for which keep is true. They are a copy.
func (r *reading) canonical(attributes pcommon.Map, keep func(string) bool) []byte {
	r.attributes = r.attributes[:0]
	for key, v := range attributes.All() {
		if keep == nil || keep(key) {
			r.attributes = append(r.attributes, identity.Attribute{Key: key, Value: v})
		}
	}
	if keep != nil {
		return identity.AppendLabels(nil, r.attributes)
	}
	return identity.AppendAttributes(nil, r.attributes)
}

// metric adds the points of one metric to the request.
func (r *reading) metric(group record.Group, m pmetric.Metric) {
	points := pointsOf(m)
	received := identity.Metric{Name: m.Name(), Unit: m.Unit(), Kind: kindOf(m)}
	emitted, how, why := r.of(received)
	if why == accepted {
		why = check(m, how)
	}
	if why != accepted {
		r.rejected.add(why, m.Name(), points)
		return
	}
	group.Metric, group.Description, group.Rule, group.Limit = emitted, m.Description(), how.gauge, how.limit
	if how.description != "" {
		group.Description = how.description
	}
	temporality, _ := temporalityOf(m)
	group.Configured = how.configured
	group.Cumulative = temporality == pmetric.AggregationTemporalityCumulative
	r.source = received.Append(r.source)
	r.source = wire.AppendBool(r.source, group.Cumulative)
	group.Points = make([]record.Point, 0, points)
	add := func(p pointHeader, point record.Point, why reason) {
		if why == accepted {
			why = r.identify(&group, how, p, &point)
		}
		if why != accepted {
			r.rejected.add(why, m.Name(), 1)
			return
		}
		group.Points = append(group.Points, point)
	}
	switch m.Type() {
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			v, why := number(p, how, group.Metric.Kind == identity.Counter)
			add(p, record.Point{Value: v, Exemplars: exemplars(p.Exemplars())}, why)
		}
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			v, why := number(p, how, false)
			add(p, record.Point{Value: v}, why)
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			v, exact, why := histogram(p, how, r.buckets)
			if why == accepted && !exact {
				r.rebucketed++
			}
			add(p, record.Point{Value: v, Exemplars: exemplars(p.Exemplars())}, why)
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			v, why := exponential(p, r.buckets)
			add(p, record.Point{Value: v, Exemplars: exemplars(p.Exemplars())}, why)
		}
	}
	if len(group.Points) > 0 {
		r.request.Groups = append(r.request.Groups, group)
	}
}

// pointHeader is what all kinds of points have.
type pointHeader interface {
	Attributes() pcommon.Map
	StartTimestamp() pcommon.Timestamp
	Timestamp() pcommon.Timestamp
}

// maxAhead is how far ahead a time may be where the value with the latest time counts: a clock that is a year ahead would
// hold the series for a year.
const maxAhead = time.Minute

// lastByTime reports whether of the points of a group the one with the latest time counts.
func lastByTime(g *record.Group) bool {
	switch g.Metric.Kind {
	case identity.Gauge:
		return g.Rule == record.Last || g.Rule == record.Sum
	case identity.UpDownCounter:
		return g.Cumulative
	}
	return false
}

// identify sets the identities and times of a point.
func (r *reading) identify(g *record.Group, how *rule, p pointHeader, to *record.Point) reason {
	to.Start, to.Time = uint64(p.StartTimestamp()), uint64(p.Timestamp())
	if lastByTime(g) {
		to.Time = min(to.Time, uint64(r.now().Add(maxAhead).UnixNano()))
	}
	if to.Time == 0 && g.Metric.Kind != identity.Gauge {
		return reasonNoTime
	}
	r.attributes = r.attributes[:0]
	for key, v := range p.Attributes().All() {
		if key == r.writer || (how.labels != nil && !how.labels[key]) {
			continue
		}
		if allowed := how.allowed[key]; allowed != nil && !identity.IsEmpty(v) && !allowed[v.AsString()] {
			v = pcommon.NewValueStr(how.replacement)
		}
		r.attributes = append(r.attributes, identity.Attribute{Key: key, Value: v})
	}
	r.bytes = identity.AppendLabels(r.bytes[:0], r.attributes)
	if len(g.Resource)+len(g.Scope)+len(r.bytes) > r.labelsSize {
		return reasonTooLarge
	}
	to.Attributes = string(r.bytes)

	if v, ok := p.Attributes().Get(r.writer); ok {
		// Whoever has set it has seen what was received. What is left of it by now depends on the configuration.
		r.bytes = append(append(r.bytes[:0], g.Writer[:]...), byte(g.Metric.Kind))
		r.bytes = wire.AppendString(wire.AppendBool(r.bytes, g.Cumulative), v.AsString())
		to.Stream = identity.Hash(r.bytes)
		return accepted
	}
	r.attributes = r.attributes[:0]
	for key, v := range p.Attributes().All() {
		r.attributes = append(r.attributes, identity.Attribute{Key: key, Value: v})
	}
	r.bytes = identity.AppendAttributes(append(r.bytes[:0], r.source...), r.attributes)
	to.Stream = identity.Hash(r.bytes)
	return accepted
}
