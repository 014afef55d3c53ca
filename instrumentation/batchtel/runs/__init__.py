"""Runs and steps: what a job calls, and what is recorded of it."""
