"""A simulated fleet of jobs, through the real rules: what it reports, and which alerts fire."""
