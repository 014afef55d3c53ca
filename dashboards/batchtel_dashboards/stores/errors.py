"""The error of all stores."""

from __future__ import annotations


class StoreError(Exception):
    """A store does not answer, or its answer cannot be used; the message has the store, its address and its answer."""
