package runrollup

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"

	"batchtel/runrollup/internal/identity"
)

// maxName is the longest name of an instrument (opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax).
const maxName = 255

// digestSize is the length of what keeps two names apart that Prometheus would write alike.
const digestSize = 8

// of returns the metric as it is emitted, and its rule. Names that begin with a reserved prefix stay as they are, and only
// metrics with a block of their own have them.
func (r *reading) of(received identity.Metric) (emitted identity.Metric, how *rule, why reason) {
	how = r.rules.exact[received.Name]
	emitted = r.naming.written(received)
	reserved := received.Name == "" || slices.ContainsFunc(r.naming.Reserved, func(prefix string) bool {
		return strings.HasPrefix(emitted.Name+"_", prefix)
	})
	if reserved && how == nil {
		return emitted, nil, reasonName
	}
	if how == nil && received.Kind == identity.Counter {
		how = r.rules.exact[emitted.Name+"_total"]
	}
	if how == nil {
		how = r.rules.of(emitted.Name)
	}
	if how != nil && how.unit != nil {
		received.Unit = *how.unit
		emitted = r.naming.written(received)
	}
	if reserved {
		emitted = received
	}
	return emitted, how, accepted
}

// written returns the metric with the name that it gets in Prometheus, where names are written so.
func (n *Naming) written(m identity.Metric) identity.Metric {
	if n.Prometheus {
		m.Name, m.Unit = prometheusName(m), ""
	}
	return m
}

// prometheusName returns the name that Prometheus will have, of a counter without the suffix _total: two metrics that are
// written alike there become one before they are added, and every other two stay apart.
func prometheusName(m identity.Metric) string {
	name := join(tokens(m.Name))
	if len(m.Name) > maxName {
		name = name[:min(len(name), maxName-digestSize-1)]
	}
	// What Prometheus cannot write would be the same for each such name.
	if name == "" || len(m.Name) > maxName || strings.ContainsFunc(m.Name, odd) {
		name = join([]string{name, digest(m.Name)})
	}
	if strings.HasPrefix(name, "_") {
		name = "metric" + name
	}
	// Of the type Other, so that neither _total nor _ratio is appended: a gauge with the unit 1 keeps its name.
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	if built, err := namer.Build(otlptranslator.Metric{Name: name, Unit: asciiUnit(m.Unit)}); err == nil {
		name = built
	}
	return join(apart(tokens(name), m.Kind))
}

// apart returns the parts of a name so that no other kind can have the same series. A counter loses the part total wherever
// it is, as in Prometheus' exporter, which appends it.
func apart(parts []string, kind identity.Kind) []string {
	last := len(parts) - 1
	switch kind {
	case identity.Counter:
		if kept := slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return part == "total" }); len(kept) > 0 {
			return kept
		}
		return parts[:1]
	case identity.Histogram:
		// Its series have names of their own, but pages of metrics have one kind for each name.
		if parts[last] != "total" && parts[last] != "value" {
			return parts
		}
	}
	switch {
	case slices.Contains(suffixes, parts[last]) && (last > 0 || parts[0] == "total"):
		return append(parts, "value")
	case last > 1 && parts[last] == "value" && slices.Contains(suffixes, parts[last-1]):
		return append(parts, digest(join(parts)))
	}
	return parts
}

// suffixes end the series of counters and histograms in Prometheus.
var suffixes = []string{"bucket", "count", "sum", "total"}

// asciiUnit returns a unit with a digest behind each part that Prometheus cannot write.
func asciiUnit(unit string) string {
	parts := strings.SplitN(unit, "/", 2)
	for i, part := range parts {
		if strings.ContainsFunc(part, func(r rune) bool { return r > 127 }) {
			parts[i] = strings.TrimSpace(part) + "_" + digest(strings.TrimSpace(part))
		}
	}
	return strings.Join(parts, "/")
}

// odd reports what Prometheus cannot write and OpenTelemetry does not allow in the name of a metric.
func odd(r rune) bool { return !written(r) && !strings.ContainsRune("._/ -", r) }

// written reports what Prometheus writes as it is.
func written(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == ':'
}

func tokens(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return !written(r) })
}

func join(parts []string) string { return strings.Join(parts, "_") }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digestSize]
}
