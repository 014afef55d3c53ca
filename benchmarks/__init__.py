"""What telemetry costs, side by side with its peers: `python -m benchmarks`."""
