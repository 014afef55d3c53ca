"""The way out: queues, requests, the spool, and how long anybody waits for them."""
