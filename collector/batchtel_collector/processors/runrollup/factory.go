package runrollup

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"batchtel/runrollup/internal/metadata"
)

// NewFactory returns the factory of the processor. Each pipeline that uses the processor has an instance of its own,
// and each instance needs a directory of its own.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		metadata.Type, createDefaultConfig, processor.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(
	_ context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics,
) (processor.Metrics, error) {
	return newProcessor(set, cfg.(*Config), next)
}
