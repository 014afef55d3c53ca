package runrollup

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"batchtel/runrollup/internal/identity"
)

func TestNamesOfPrometheus(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, c := range []struct {
		name, unit string
		kind       identity.Kind
		want       string
	}{
		{"shop.rows", "", identity.Counter, "shop_rows"},
		{"shop/rows--read", "s", identity.Counter, "shop_rows_read_seconds"},
		{"_shop.rows_", "", identity.Gauge, "shop_rows"},
		{"shop:rows", "", identity.Gauge, "shop:rows"},
		{"shop.seconds.spent", "s", identity.Counter, "shop_seconds_spent"},
		{"shop.rows", "By/s", identity.Gauge, "shop_rows_bytes_per_second"},
		{"shop.rows", "/s", identity.Gauge, "shop_rows_per_second"},
		{"shop.rows", "{row}/h", identity.Gauge, "shop_rows_per_hour"},
		{"shop.rows", "{row}", identity.Gauge, "shop_rows"},
		{"shop.share", "1", identity.Gauge, "shop_share"},
		{"shop.share", "%", identity.Gauge, "shop_share_percent"},
		{"shop.rows", "$", identity.Gauge, "shop_rows"},
		{"shop.rows", "a b", identity.Gauge, "shop_rows_a_b"},
		{"shop.price", "€", identity.Gauge, "shop_price_" + digest("€")},
		{"1st.rows", "", identity.Counter, "1st_rows"},
		{"注文", "", identity.Counter, "metric_" + digest("注文")},
		{"注文.rows", "", identity.Counter, "rows_" + digest("注文.rows")},
		{"shop.rows!", "", identity.Counter, "shop_rows_" + digest("shop.rows!")},
		{long, "s", identity.Counter, long[:246] + "_" + digest(long) + "_seconds"},
		{"total.shop.total.rows.total", "s", identity.Counter, "shop_rows_seconds"},
		{"total", "", identity.Counter, "total"},
		{"total.total", "", identity.Counter, "total"},
		{"total", "", identity.Gauge, "total_value"},
		{"shop.total.rows.total", "", identity.Histogram, "shop_total_rows_total_value"},
		{"shop.count", "", identity.Gauge, "shop_count_value"},
		{"shop.bucket", "", identity.UpDownCounter, "shop_bucket_value"},
		{"shop.count", "", identity.Histogram, "shop_count"},
		{"shop.total", "", identity.Gauge, "shop_total_value"},
		{"shop.total", "", identity.ExponentialHistogram, "shop_total_value"},
		{"shop.count.value", "", identity.Gauge, "shop_count_value_" + digest("shop_count_value")},
		{"shop.value", "", identity.Gauge, "shop_value"},
		{"shop.sum", "", identity.Counter, "shop_sum"},
		{"sum", "", identity.Gauge, "sum"},
	} {
		once := prometheusName(identity.Metric{Name: c.name, Unit: c.unit, Kind: c.kind})
		require.Equal(t, c.want, once, "%q %q", c.name, c.unit)
		if len(once) <= maxName && !strings.Contains(once, "_value") {
			require.Equal(t, once, prometheusName(identity.Metric{Name: once, Kind: c.kind}), "written again")
		}
	}
}

func TestNaming(t *testing.T) {
	unit := "s"
	h := newHarness(t, func(cfg *Config) {
		cfg.Naming = Naming{Prometheus: true, Reserved: []string{"batch_job_", "otelcol_"}}
		cfg.Metrics = map[string]MetricConfig{"batch.job.rows": {}, "shop_hours": {}, "shop.cost": {Unit: &unit}, "shop_sent_total": {Unit: &unit}}
	})
	b := newBatch()
	for _, name := range []string{
		"batch.job.rows", "batch_job_rows", "total.batch.job", "otelcol", "otelcolor", "", "shop", "shop.rows", "shop_rows", "shop.cost", "shop.sent",
	} {
		m := b.metric("w1", name)
		if name == "shop" {
			m.SetUnit("h")
		}
		point(sum(m, deltas, true).DataPoints().AppendEmpty(), 1, 2, 1)
	}
	h.send(b.md)
	require.Equal(t, map[string]int64{"wrong_name": 4}, h.counts("rejected"))
	emitted := map[string]any{}
	for _, x := range h.emit() {
		emitted[x.Name] = x.Value
	}
	require.Equal(t, map[string]any{
		"batch.job.rows": int64(1), "otelcolor": int64(1), "shop_hours": int64(1), "shop_rows": int64(2), "shop_cost_seconds": int64(1), "shop_sent_seconds": int64(1),
	}, emitted)
}

func TestLabelsThatAreEmptyOrThereTwice(t *testing.T) {
	h := newHarness(t)
	b := newBatch()
	s := sum(b.metric("w1", "runs"), deltas, true)
	point(s.DataPoints().AppendEmpty(), 1, 2, 1, "job", "a")
	point(s.DataPoints().AppendEmpty(), 1, 2, 2, "job", "a", "status", "")
	twice := s.DataPoints().AppendEmpty()
	point(twice, 1, 2, 4, "job", "b", "jox", "a")
	point(s.DataPoints().AppendEmpty(), 1, 2, 8, "job", "a", "status", "x", "statuu", "")
	h.send(twoOfOneKey(t, b.md))
	require.Equal(t, one("runs{"+labelsA+"}", any(int64(15))), values(h.emit()))
}

// twoOfOneKey returns the metrics with jox and statuu under the names job and status, which pcommon itself cannot write.
func twoOfOneKey(t *testing.T, md pmetric.Metrics) pmetric.Metrics {
	t.Helper()
	bytes, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	require.NoError(t, err)
	read, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics([]byte(strings.NewReplacer("jox", "job", "statuu", "status").Replace(string(bytes))))
	require.NoError(t, err)
	return read
}
