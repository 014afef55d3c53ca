"""The export of telemetry: queues, requests, the spool, and how long a process waits for them."""
