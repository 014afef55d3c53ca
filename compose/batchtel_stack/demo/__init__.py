"""The demo: real jobs in real processes, and a comparison of the three stores with what the jobs did."""
