"""The tables of what is recorded and of what can be set: the source of truth of all other packages."""
