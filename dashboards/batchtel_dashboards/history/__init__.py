"""The history of runs: what the stores have of each run, of two runs side by side, and of each job."""
