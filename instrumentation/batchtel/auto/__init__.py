"""A whole program as one run, by `opentelemetry-instrument`."""
