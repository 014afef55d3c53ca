"""`batchtel doctor`: a canary run through the configured endpoint, and a fix for each problem on the way."""
