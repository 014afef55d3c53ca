"""The job catalogue, jobs.toml: what is expected of each job."""
