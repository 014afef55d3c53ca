"""The metrics, logs and spans pipelines, run as rendered in real collectors: OTLP in, what the backends get out."""
