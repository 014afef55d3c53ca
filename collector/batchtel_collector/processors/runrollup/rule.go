package runrollup

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"batchtel/runrollup/internal/identity"
	"batchtel/runrollup/internal/record"
)

// rule is what holds for one metric: its block with the defaults filled in.
type rule struct {
	kind        identity.Kind
	unit        *string
	description string
	number      NumberType
	bounds      []float64
	// labels is nil when all labels are emitted.
	labels      map[string]bool
	allowed     map[string]map[string]bool
	replacement string
	limit       uint64
	gauge       record.Rule
	// configured is true for a metric that is in the configuration by its name.
	configured bool
}

// rules finds the rule of a metric.
type rules struct {
	exact    map[string]*rule
	patterns []pattern
	// unknown is the rule of metrics without a block, nil when they are rejected.
	unknown *rule
}

type pattern struct {
	text    string
	matches *regexp.Regexp
	rule    *rule
}

var kinds = map[Kind]identity.Kind{
	KindCounter: identity.Counter, KindUpDownCounter: identity.UpDownCounter, KindGauge: identity.Gauge,
	KindHistogram: identity.Histogram, KindExponentialHistogram: identity.ExponentialHistogram,
}

var gaugeRules = map[GaugeRule]record.Rule{
	"": record.Last, GaugeLast: record.Last, GaugeMaximum: record.Maximum, GaugeMinimum: record.Minimum, GaugeSum: record.Sum,
}

func newRules(cfg *Config) *rules {
	r := &rules{exact: map[string]*rule{}}
	if cfg.UnknownMetrics == Accept {
		r.unknown = newRule(MetricConfig{}, cfg.Defaults)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Metrics)) {
		one := newRule(cfg.Metrics[name], cfg.Defaults)
		if !strings.Contains(name, "*") {
			one.configured = true
			r.exact[name] = one
			continue
		}
		parts := strings.Split(name, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		r.patterns = append(r.patterns, pattern{name, regexp.MustCompile("^" + strings.Join(parts, ".*") + "$"), one})
	}
	// The longest pattern is the most specific one.
	slices.SortStableFunc(r.patterns, func(a, b pattern) int { return len(b.text) - len(a.text) })
	return r
}

func newRule(m MetricConfig, defaults MetricDefaults) *rule {
	r := &rule{
		kind: kinds[m.Kind], unit: m.Unit, description: m.Description, number: m.Number, bounds: m.Bounds,
		replacement: defaults.Replacement, allowed: map[string]map[string]bool{},
	}
	labels := defaults.Labels
	if m.Labels != nil {
		labels = m.Labels
	}
	if labels != nil {
		r.labels = set(*labels)
	}
	for _, values := range []map[string][]string{defaults.AllowedValues, m.AllowedValues} {
		for label, list := range values {
			r.allowed[label] = set(list)
			if len(list) == 0 {
				delete(r.allowed, label)
			}
		}
	}
	if m.Replacement != "" {
		r.replacement = m.Replacement
	}
	for _, limit := range []*uint64{defaults.Limit, m.Limit} {
		if limit != nil {
			r.limit = *limit
		}
	}
	r.gauge = gaugeRules[defaults.Gauge]
	if m.Gauge != "" {
		r.gauge = gaugeRules[m.Gauge]
	}
	return r
}

func set(list []string) map[string]bool {
	result := make(map[string]bool, len(list))
	for _, v := range list {
		result[v] = true
	}
	return result
}

// of returns the rule of a metric: that of its name, else of the longest pattern that matches, else of unknown
// metrics; nil when those are rejected.
func (r *rules) of(name string) *rule {
	if one := r.exact[name]; one != nil {
		return one
	}
	for _, p := range r.patterns {
		if p.matches.MatchString(name) {
			return p.rule
		}
	}
	return r.unknown
}
