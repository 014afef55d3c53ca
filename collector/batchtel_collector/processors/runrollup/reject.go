package runrollup

import (
	"go.uber.org/zap"
)

// reason is why a point is rejected. The names are the values of the attribute reason of the metric
// processor_run_rollup_rejected.
type reason string

const (
	accepted            reason = ""
	reasonTemporality   reason = "temporality"
	reasonType          reason = "unsupported_type"
	reasonNotFinite     reason = "not_finite"
	reasonNegative      reason = "negative"
	reasonMalformed     reason = "malformed_histogram"
	reasonNoValue       reason = "no_value"
	reasonNoTime        reason = "no_time"
	reasonKind          reason = "wrong_kind"
	reasonUnit          reason = "wrong_unit"
	reasonName          reason = "wrong_name"
	reasonNumber        reason = "wrong_number"
	reasonTooLarge      reason = "too_large"
	reasonTooOld        reason = "too_old"
	reasonUnknownMetric reason = "unknown_metric"
	reasonTooManyMetric reason = "too_many_metrics"
)

// rejections are the rejected points of one request by reason.
type rejections map[reason]*rejection

type rejection struct {
	points int
	// metric is the first metric with this reason, empty where there is none.
	metric string
}

// add counts points. Nothing is added for accepted.
func (r rejections) add(why reason, metric string, points int) {
	if why == accepted || points == 0 {
		return
	}
	if r[why] == nil {
		r[why] = &rejection{metric: metric}
	}
	r[why].points += points
}

// log writes one line per reason.
func (r rejections) log(logger *zap.Logger) {
	for why, one := range r {
		logger.Warn("Data points are rejected; the rest of the request is accepted", zap.String("reason", string(why)),
			zap.Int("points", one.points), zap.String("first_metric", one.metric))
	}
}
