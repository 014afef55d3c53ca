"""Basic parts of a job process, used by every other package: bounded, silent and harmless."""
