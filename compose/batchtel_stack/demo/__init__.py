"""The demo: real jobs in real processes, and whether the three stores tell what the jobs did."""
