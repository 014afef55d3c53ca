"""Pages for a browser: the fleet, a job, a run, the pipeline; read-only, and made on the server."""
