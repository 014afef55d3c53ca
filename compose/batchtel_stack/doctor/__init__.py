"""`batchtel doctor`: a canary run through the configured endpoint, and the fix for what keeps it from its stores."""
