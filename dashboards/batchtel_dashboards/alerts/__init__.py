"""Alert rules for Prometheus, as data: what is watched, per job and for the pipeline, and the file it becomes."""
