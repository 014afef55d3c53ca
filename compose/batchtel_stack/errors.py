"""Errors of the stack, its demo and the doctor; each message has what is wrong and what to do."""

from __future__ import annotations


class StackError(Exception):
    """What was asked for is not possible."""


class WrongInputError(StackError):
    """An environment, a setting or a variable cannot be used."""


class UnavailableError(StackError):
    """A program cannot be built, started or stopped, or does not answer in time."""


class RulesMissingError(StackError):
    """Prometheus does not evaluate batchtel's recording rules."""
