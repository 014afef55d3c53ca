"""Redaction of secrets before anything leaves the process."""
