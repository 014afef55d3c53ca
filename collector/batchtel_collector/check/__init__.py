"""Validation of environments and of their rendered configurations."""
