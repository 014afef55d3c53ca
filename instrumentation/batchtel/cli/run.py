"""`batchtel run`: any command as a recorded run, started before the telemetry libraries are loaded."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from batchtel.base import run_environment
from batchtel.base.guard import INCOMPLETE, harmless, lack, warn_once
from batchtel.base.identity import clean_name, default_job, new_run_id
from batchtel.base.opener import Opener, trace_parts
from batchtel.base.timestamps import parse
from batchtel.base.values import text_of
from batchtel.cli.child_process import Child, Ended, end_like, oom_kills, outcome_of
from batchtel.cli.spawn import become, original_environment
from batchtel.cli.stdout import leave_unchecked
from batchtel.schema import settings

if TYPE_CHECKING:
    from batchtel.base.shared_counts import Tally
    from batchtel.cli.captured_output import Output
    from batchtel.runs.scope import Scope

_TIMED_OUT: Final = 124
"""Exit code of coreutils' `timeout` when the time is up."""


def _attributes(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    wrong = [repr(value) for value, (key, equals, _) in zip(values, pairs, strict=True) if not (key and equals)]
    if wrong:
        raise click.BadParameter(f"{', '.join(wrong)} is not KEY=VALUE; write for example --attribute region=eu")
    return {key: value for key, _, value in pairs}


def _name(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        # A variable that is not set in cron must not keep the command from running.
        warn_once(f"empty:{option.name}", "batchtel run: %s is empty, so its default is used", option.opts[0])
        return None
    return value


def _moment(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        if value is not None:
            parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}") from None
    return value


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Exit codes: COMMAND's own; 126 it cannot be executed; 127 it is not found; 128+n signal n has ended it; "
    "2 an option of batchtel is wrong, and COMMAND is not run.",
)
@click.option(
    "--job",
    callback=_name,
    metavar="NAME",
    help="Name of the job. Default: BATCHTEL_JOB, OTEL_SERVICE_NAME, or COMMAND.",
)
@click.option(
    "--type", "type_", callback=_name, metavar="TYPE", help="Kind of the job. Default: BATCHTEL_JOB_TYPE, or batch."
)
@click.option("--attempt", type=click.IntRange(min=1), metavar="NUMBER", help="Number of the attempt, from 1.")
@click.option(
    "--scheduled-at",
    callback=_moment,
    metavar="TIME",
    help="When the run was due, ISO 8601 or Unix time. Default: BATCHTEL_SCHEDULED_AT.",
)
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    callback=_attributes,
    metavar="KEY=VALUE",
    help="An attribute of the span and its events, never a label; repeatable.",
)
@click.option(
    "--capture-output",
    is_flag=True,
    help="Record the lines of stdout and stderr as log records. COMMAND then has pipes in place of a terminal.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
def run(
    job: str | None,
    type_: str | None,
    attempt: int | None,
    scheduled_at: str | None,
    attributes: dict[str, str],
    capture_output: bool,
    command: tuple[str, ...],
) -> None:
    """Run a command and record it: start, end, exit code, CPU seconds, peak memory.

    The command starts at once. Its input, output, terminal, signals and exit code are what they would be without
    batchtel; TRACEPARENT, BATCHTEL_JOB and BATCHTEL_RUN_ID in its environment let it join the run.

    \b
    Examples:
      batchtel run -- ./nightly.sh
      batchtel run --job nightly_etl --type etl -- python etl.py --full
      batchtel run --attribute region=eu -- pg_dump -Fc shop
      batchtel run --capture-output -- make report
    """
    leave_unchecked()
    recorder = _Recorder(job or "", type_ or "", attempt, scheduled_at, {**attributes}, command[0])
    output = recorder.capture() if capture_output else None
    try:
        child = Child(command, recorder.environment(), output.descriptors if output is not None else None)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            # There is room for one process: that is the command's.
            warn_once("short", INCOMPLETE, lack(error))
            with suppress(OSError):
                become(command)
        shown = text_of(command[0]) or "''"
        click.echo(f"batchtel run: {shown}: {error.strerror}", err=True)
        ended = Ended(127 if isinstance(error, FileNotFoundError) else 126, None, 0.0, 0)
        recorder.start(time.time_ns())
        recorder.finish(ended, error)
    else:
        if output is not None:
            output.start()
        recorder.start(child.started)
        ended = child.wait()
        if output is not None:
            output.finish()
        recorder.finish(ended)
    end_like(ended)


class _Recorder:
    """Loads telemetry in a thread of its own while the command runs, and records the run.

    The ids are made before anything is loaded, because the command finds them in its environment. Within an open run of
    the same job, which is counted elsewhere, the command is a part of that run.
    """

    def __init__(
        self,
        job: str,
        type: str,  # noqa: A002
        attempt: int | None,
        scheduled_at: str | None,
        attributes: dict[str, str],
        command: str,
    ) -> None:
        outer, own = run_environment.inherited(), run_environment.own()
        around = outer or own
        name = job or (around.job if around is not None else default_job(command, run_environment.without_open_run()))
        self._job, self._type = clean_name(name, "job").whole, type
        self._scheduled_at, self._attributes = scheduled_at, attributes
        self._executable = text_of(os.path.basename(command))
        self._recorded = _has_destination()
        inherited = run_environment.inherited_trace()
        parts = trace_parts(inherited.get("traceparent", ""))
        self._trace_id, _, flags = parts if parts is not None else (os.urandom(16).hex(), "", "01")
        self._span_id = os.urandom(8).hex()
        self._outer = outer if outer is not None and outer.job == self._job else None
        self._own = own if own is not None and own.job == self._job else None
        existing = self._outer or self._own
        if existing is not None:
            self._run_id, self._attempt, self._carrier = existing.run_id, existing.attempt, inherited
        else:
            own_settings = settings.read(run_environment.without_open_run())
            self._run_id = text_of(own_settings.run_id or new_run_id())
            self._attempt = attempt or own_settings.attempt
            self._carrier = {**inherited, "traceparent": f"00-{self._trace_id}-{self._span_id}-{flags}"}
        self._tally = self._shared(existing)
        self._memory_before = oom_kills()
        self._run: Scope | None = None
        self._started = 0
        self._thread: threading.Thread | None = None
        self._output: Output | None = None

    def _shared(self, existing: run_environment.OpenRun | None) -> Tally | None:
        """Return where the code within the command adds its counts of records, if the run is recorded."""
        if not self._recorded:
            return None
        from batchtel.base.shared_counts import Tally

        return Tally(existing.tally) if existing is not None and existing.tally else Tally.if_possible()

    def environment(self) -> dict[str, str]:
        """Return the environment of the command: ours, and what lets it join the run, if that is recorded."""
        own = original_environment()
        if self._recorded:
            own.update(run_environment.variables(self._as_open(), self._carrier))
        return own

    def _as_open(self) -> run_environment.OpenRun:
        existing = self._outer or self._own
        if existing is not None:
            return existing
        own_settings = settings.read()
        # The catalogue may name the type; reading it would keep the command waiting, and the child finds the same.
        job_type = self._type or ("" if own_settings.catalogue else own_settings.job_type)
        place = self._tally.place if self._tally is not None else ""
        opener = Opener.here(self._job, self._attempt, self._carrier["traceparent"])
        return run_environment.OpenRun(self._job, self._run_id, self._attempt, job_type, opener, place)

    def capture(self) -> Output | None:
        """Return what is to stand between the command and our output; None if nothing is recorded."""
        if self._recorded:
            from batchtel.cli.captured_output import Output

            try:
                self._output = Output()
            except (OSError, RuntimeError) as error:
                warn_once("short", INCOMPLETE, lack(error))
        return self._output

    def start(self, started: int) -> None:
        """Load telemetry in the background and record the start, which was at `started`, Unix time in ns."""
        self._started = started
        self._thread = threading.Thread(target=self._load, args=(started,), name="batchtel-load", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No thread can be started. When the command has ended, perhaps; else in this one.
            self._thread = None

    @harmless(None)
    def _load(self, started: int) -> None:
        from batchtel.base.start import Start
        from batchtel.runs import run_mark
        from batchtel.runs.joined_run import joined, resumed
        from batchtel.runs.run import Run
        from batchtel.runs.scope import Scope

        given = (self._job, self._type, self._run_id, self._attempt)
        if self._own is not None:
            run = resumed(self._own)
        else:
            run = joined(*given) if self._outer is not None else Run(*given, scheduled_at=self._scheduled_at)
        run.executable = self._executable
        run.sla.code_reports = False
        if self._outer is None and self._tally is not None:
            run.data.share(self._tally)
        run.description.put(self._attributes.items(), "--attribute")
        start = Start(started, int(self._trace_id, 16), int(self._span_id, 16))
        if self._own is not None:
            scope = run_mark.resume(self._own, run)
        elif self._outer is None:
            scope = run_mark.begin(run, start)
        else:
            scope = Scope(run)
            scope.begin(start)
        self._run = scope
        if self._output is not None:
            self._output.record()

    @harmless(None)
    def finish(self, ended: Ended, error: OSError | None = None) -> None:
        """Record how the command ended, or did not start, and send everything, within the deadline of the settings."""
        from batchtel.runs.resource_usage import Usage
        from batchtel.telemetry.process import stop

        if self._thread is not None:
            self._thread.join()
        else:
            self._load(self._started)
        if self._run is not None:
            if self._output is not None:
                self._output.record_rest()
            self._run.job.usage = Usage(ended.cpu_seconds, ended.peak_memory)
            outcome = outcome_of(ended, error, out_of_memory=oom_kills() > self._memory_before)
            if self._executable == "timeout" and outcome.exit_code == _TIMED_OUT:
                outcome = outcome._replace(status="timeout", error_type="")
            self._run.close(outcome)
            stop()
            logging.shutdown()


def _has_destination() -> bool:
    own = settings.read()
    return own.has_endpoint and not own.disabled
