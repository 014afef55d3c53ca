package runrollup

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestRefusedRequestIsRetryableAndCounted(t *testing.T) {
	h := newHarness(t)
	require.NoError(t, h.p.engine.Close())
	err := h.p.ConsumeMetrics(context.Background(), delta("w1", 1, 2, 5))
	require.EqualError(t, err, "nothing of this request is stored, send it again: the processor is shut down")
	require.False(t, consumererror.IsPermanent(err))
	require.EqualValues(t, 1, h.counts("failed_commits")[""])
	require.Empty(t, h.counts("accepted"))
}

func TestOwnMetrics(t *testing.T) {
	h := newHarness(t)
	h.send(delta("w1", 1, 2, 5))
	h.send(delta("w2", 1, 2, 5, "job", "b"))
	h.stop()
	h.start()
	require.EqualValues(t, 2, h.counts("series")[""])
	require.EqualValues(t, 2, h.counts("writers")[""])
	require.EqualValues(t, 2, h.counts("writer_streams")[""])
	require.EqualValues(t, 100_000, h.counts("series_limit")[""])
	require.EqualValues(t, 1_000_000, h.counts("writer_streams_limit")[""])
	require.Greater(t, h.counts("state_size")[""], int64(500))
	h.send(delta("w1", 2, 3, 5))
	m, err := h.tel.GetMetric("otelcol_processor_run_rollup_commit_duration")
	require.NoError(t, err)
	require.Positive(t, m.Data.(metricdata.Histogram[float64]).DataPoints[0].Count)
	m, err = h.tel.GetMetric("otelcol_processor_run_rollup_recovery_time")
	require.NoError(t, err)
	require.Positive(t, m.Data.(metricdata.Gauge[float64]).DataPoints[0].Value)
}

func TestEveryReasonIsDocumented(t *testing.T) {
	description, err := os.ReadFile("metadata.yaml")
	require.NoError(t, err)
	for _, why := range []reason{
		reasonTemporality, reasonType, reasonNotFinite, reasonNegative, reasonMalformed, reasonNoValue, reasonNoTime, reasonKind,
		reasonUnit, reasonNumber, reasonTooLarge, reasonTooOld, reasonUnknownMetric, reasonTooManyMetric,
	} {
		require.True(t, strings.Contains(string(description), "      - "+string(why)+"\n"), why)
	}
}
