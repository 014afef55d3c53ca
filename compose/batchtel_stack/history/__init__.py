"""`batchtel runs`: the history of runs in a terminal."""
