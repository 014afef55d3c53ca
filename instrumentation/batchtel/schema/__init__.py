"""The tables of signals and settings: the source of truth of all other packages."""
