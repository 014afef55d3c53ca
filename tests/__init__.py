"""Tests, one folder per room, and `stack` for the running whole."""
