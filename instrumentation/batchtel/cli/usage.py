"""Errors of the command line's parser, in the style of all other errors and with what to type."""

from __future__ import annotations

import re
import shlex

import click

from batchtel.base.nearest import nearest
from batchtel.cli.parameters import Seconds


def explanation(error: click.UsageError, command: click.Command, path: str) -> str:
    """Return what is wrong with the arguments of the command `path`, and what to type instead."""
    match error:
        case click.NoSuchOption():
            near = nearest(error.option_name.lstrip("-"), [name.lstrip("-") for name in _options(command)])
            hint = f"did you mean --{near}?" if near else f"`{path} --help` lists them"
            return f"`{path}` has no option {error.option_name}; {hint}"
        case click.MissingParameter(param=click.Parameter() as parameter):
            return f"`{path}` needs {_shown(parameter)}; {_example(command, path, parameter)}"
        case click.BadParameter(param=click.Parameter() as parameter):
            message = f"{_name(parameter)}: {_problem(error, parameter)}"
            return message if ";" in message else f"{message}; {_near_or_example(error, parameter, command, path)}"
        case click.BadOptionUsage():
            needed = next((one for one in command.params if error.option_name in one.opts), None)
            if needed is not None and "requires" in error.message:
                value = _metavar(needed)
                return f"{_name(needed)} needs a value, {value}; {_example(command, path, needed)}"
            return f"{error.option_name} has no value; write {error.option_name} alone"
    if extra := re.search(r"unexpected extra argument.*\((.*)\)", error.message):
        return f"`{path}` accepts no argument {shlex.quote(extra[1])}; {_example(command, path, None)}"
    return f"`{path}`: {error.format_message().rstrip('.')}; `{path} --help` has examples"


def examples(command: click.Command) -> list[str]:
    """Return the commands of the examples in a help text, without the remarks beside them."""
    lines = (command.help or "").partition("Examples:")[2].splitlines()
    found = [re.split(r"\s{2,}|\s#\s", line.strip())[0] for line in lines]
    return [line for line in found if re.search(r"\bbatchtel\b", line) and not line.startswith("#")]


def _options(command: click.Command) -> list[str]:
    return ["--help", *(name for one in command.params if isinstance(one, click.Option) for name in one.opts)]


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    metavar = _metavar(parameter)
    return re.sub(r"[][.]", "", metavar) if metavar.startswith("[") else metavar


def _metavar(parameter: click.Parameter) -> str:
    # The method of click 8.1 has other arguments than that of 8.2.
    if parameter.metavar is None and isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    return parameter.metavar or (parameter.name or "").upper()


def _shown(parameter: click.Parameter) -> str:
    name = _name(parameter)
    return f"{name} {_metavar(parameter)}" if isinstance(parameter, click.Option) else name


def _problem(error: click.BadParameter, parameter: click.Parameter) -> str:
    kind = parameter.type
    value = error.message.partition(" is not ")[0]
    if isinstance(kind, click.Choice):
        *others, last = map(str, kind.choices)
        return f"{value} is not {', '.join(others)} or {last}"
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        number = "a number of seconds" if isinstance(kind, Seconds) else "a whole number"
        least = f"above {kind.min}" if kind.min_open else f"of {kind.min} or more"
        return f"{value} is not {number} {least}" + ("" if kind.max is None else f", at most {kind.max}")
    if wrong := re.fullmatch(r"(?:File|Directory|Path) '(.*)' (is a file|is not readable)\.", error.message, re.DOTALL):
        return f"{wrong[1]} is a file, not a folder" if wrong[2] == "is a file" else f"{wrong[1]} cannot be read"
    return error.message.rstrip(".")


def _near_or_example(error: click.BadParameter, parameter: click.Parameter, command: click.Command, path: str) -> str:
    if isinstance(parameter.type, click.Choice):
        value = error.message.partition(" is not ")[0].strip("'\"")
        if near := nearest(value, map(str, parameter.type.choices)):
            return f"did you mean {near}?"
    return _example(command, path, parameter)


def _example(command: click.Command, path: str, parameter: click.Parameter | None) -> str:
    """Return the first example of the help text, for an option the first that has it."""
    names = set(parameter.opts) if isinstance(parameter, click.Option) else set()
    found = [line for line in examples(command) if not names or names & set(line.split())]
    return f"for example: {found[0]}" if found else f"`{path} --help` describes it"
