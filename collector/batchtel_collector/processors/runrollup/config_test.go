package runrollup

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// readmeBlocks returns the YAML blocks of the documentation that configure the processor.
func readmeBlocks(t *testing.T) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for i, part := range strings.Split(string(text), "```yaml\n") {
		block, _, _ := strings.Cut(part, "```")
		if i > 0 && strings.HasPrefix(block, "run_rollup:") {
			blocks = append(blocks, block)
		}
	}
	return blocks
}

func load(t *testing.T, yaml string) *Config {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	sub, err := conf.Sub("run_rollup")
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, sub.Unmarshal(cfg), yaml)
	return cfg
}

func TestEveryBlockOfTheDocumentationIsValidAndEveryOptionHasOne(t *testing.T) {
	blocks := readmeBlocks(t)
	for _, block := range blocks {
		require.NoError(t, load(t, block).Validate(), block)
	}
	all := strings.Join(blocks, "")
	for _, option := range []string{
		"directory", "fsync", "interval", "expiry", "horizon", "writer_attribute", "resource_attributes", "scope",
		"unknown_metrics", "naming", "prometheus", "reserved", "limits", "series", "metrics", "writer_streams", "labels_size", "buckets", "defaults", "labels",
		"allowed_values", "replacement", "limit", "gauge", "kind", "unit", "description", "number", "bounds",
	} {
		require.Contains(t, all, " "+option+":")
	}
}

func TestDocumentedLimitsAreTheDefaults(t *testing.T) {
	for _, block := range readmeBlocks(t) {
		if strings.Contains(block, "writer_streams") {
			require.Equal(t, createDefaultConfig().(*Config).Limits, load(t, block).Limits)
			return
		}
	}
	t.Fatal("no block with limits")
}

func TestMetricBlock(t *testing.T) {
	cfg := load(t, `
run_rollup:
  directory: x
  interval: 1m
  defaults:
    labels: [job.name]
  metrics:
    batch.job.duration:
      kind: histogram
      unit: s
      bounds: [1, 5]
      labels: [job.name, status]
      limit: 7
    batch.job.*: {gauge: maximum}
    batch.*: {number: int}
`)
	require.NoError(t, cfg.Validate())
	require.Equal(t, time.Minute, cfg.Interval)
	r := newRules(cfg)
	require.Equal(t, []float64{1, 5}, r.of("batch.job.duration").bounds)
	require.EqualValues(t, 7, r.of("batch.job.duration").limit)
	require.Len(t, r.of("batch.job.duration").labels, 2)
	require.Equal(t, gaugeRules[GaugeMaximum], r.of("batch.job.state").gauge)
	require.Equal(t, NumberInt, r.of("batch.x").number)
	require.EqualValues(t, 2000, r.of("other").limit)
	require.Len(t, r.of("other").labels, 1)
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Interval = time.Millisecond
	cfg.Horizon = time.Microsecond
	cfg.Expiry = time.Nanosecond
	cfg.WriterAttribute = ""
	cfg.UnknownMetrics = "drop"
	cfg.Naming.Reserved = []string{""}
	cfg.Limits.LabelsSize, cfg.Limits.Buckets = 1, 0
	cfg.Defaults.Gauge = "mean"
	cfg.Defaults.AllowedValues = map[string][]string{"status": nil}
	cfg.Metrics = map[string]MetricConfig{
		"a": {Kind: "timer", Number: "float"},
		"d": {Bounds: []float64{2, 1, math.NaN()}},
		"b": {Kind: KindHistogram, Number: NumberInt, MetricDefaults: MetricDefaults{
			Gauge: GaugeMaximum, Labels: &[]string{"job"}, AllowedValues: map[string][]string{"status": nil},
		}},
		"c": {Kind: KindGauge, Bounds: []float64{1}},
		"":  {},
	}
	require.EqualError(t, cfg.Validate(), strings.TrimSpace(`
directory: not set; name a folder that only this instance of the processor uses, on a disk that survives restarts
interval: 1ms is too short; write 1s or more
horizon: 1µs is shorter than the interval of 1ms; write the longest time for which a sender repeats a request
expiry: 1ns is shorter than the horizon of 1µs; write a longer time
writer_attribute: empty; write the attribute that identifies a sender, such as batchtel.writer
unknown_metrics: "drop" is not accept or reject
naming::reserved: an empty prefix rejects everything; remove it
limits::labels_size: 1 is too small; write 64 or more (bytes)
limits::buckets: 0 is too small; write 1 or more
defaults::gauge: "mean" is not last, maximum, minimum or sum
defaults::allowed_values::status: empty; list the values, or remove the label from labels
metrics: a block has no name
metrics::a::kind: "timer" is not counter, up_down_counter, gauge, histogram or exponential_histogram
metrics::a::number: "float" is not int or double
metrics::b::allowed_values: status is not one of the labels
metrics::b::number: a histogram has no number type; remove it
metrics::b::gauge: the kind is histogram; remove the rule
metrics::c::bounds: the kind is gauge; remove the bounds or write kind: histogram
metrics::d::bounds: 1 follows 2; write the bounds in ascending order, each once
metrics::d::bounds: NaN is not a finite number; the last bucket has no upper bound by itself
`))

	cfg = createDefaultConfig().(*Config)
	cfg.Directory = "x"
	cfg.UnknownMetrics = Reject
	cfg.ResourceAttributes = &[]string{"batchtel.writer"}
	cfg.Defaults.Labels = &[]string{"batchtel.writer"}
	require.EqualError(t, cfg.Validate(), strings.TrimSpace(`
unknown_metrics: reject without any block in metrics rejects everything; add blocks or write accept
resource_attributes: batchtel.writer is the writer attribute, which is never emitted; remove it
defaults::labels: batchtel.writer is the writer attribute, which is never emitted; remove it
`))
}
