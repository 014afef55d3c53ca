"""Errors about a name, a file or a choice of the user's that cannot be used."""

from __future__ import annotations


class InputError(Exception):
    """The input is wrong; the message has what is wrong, where, and what to write instead."""


class UnknownEnvironmentError(InputError):
    """No environment of this name is shipped."""


class UnreadableFileError(InputError):
    """A file of an environment cannot be read."""
