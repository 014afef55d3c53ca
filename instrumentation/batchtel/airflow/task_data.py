"""The record counts of a DAG run's tasks, for the one process that judges the run: a file a task.

They are in a folder of the user's own in the host's temporary folder, and written only for jobs whose catalogue entry
has a rule of records or data. Tasks on other hosts, or of other users, are missed: then the run is not judged by them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from batchtel.airflow.facts import DagRun, Task
from batchtel.base.guard import harmless
from batchtel.base.shared_counts import RecordCounts
from batchtel.export import outage_marker
from batchtel.runs import dag_run_ids

KEPT: Final = 7 * 86_400.0
"""Seconds that files are kept: a run that is cleared in part is judged with the tasks that are not run again."""


def _folder(dag_id: str, run_id: str) -> Path:
    return outage_marker.folder() / f"airflow-{dag_run_ids.of_dag_run(dag_id, run_id, '').trace_id:032x}"


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022 and folder.is_dir() and not folder.is_symlink()


@harmless(None)
def keep(task: Task, counts: RecordCounts) -> None:
    """Keep what a process of a try has reported, together with what other processes of the same try have."""
    folder = _folder(task.dag_id, task.run_id)
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(each):
            return
    file = folder / hashlib.sha256(f"{task.map_index} {task.task_id}".encode()).hexdigest()[:32]
    before = _read(file)
    if before is not None and before[0] == task.try_number:
        counts += before[1]
    new = file.with_suffix(".new")
    new.write_text(json.dumps([task.try_number, *counts]), encoding="utf-8")
    new.replace(file)


def _read(file: Path) -> tuple[int, RecordCounts] | None:
    with suppress(OSError, ValueError, TypeError):
        number, *counts = json.loads(file.read_text(encoding="utf-8"))
        return number, RecordCounts(*counts)
    return None


@harmless(None)
def of_run(run: DagRun, begun: int) -> RecordCounts | None:
    """Return what all tasks of a run have reported; None where fewer than the `begun` ones are kept here."""
    folder, started = _folder(run.dag_id, run.run_id), run.started_at or 0.0
    if not folder.exists():
        return None if begun else RecordCounts()
    if not (_is_ours(folder.parent) and _is_ours(folder)):
        return None
    files = [file for file in folder.iterdir() if not file.suffix]
    found = [each for each in map(_read, files) if each is not None]
    if sum(file.stat().st_mtime >= started - 1 for file in files) < begun or len(found) < len(files):
        return None
    return sum((counts for _, counts in found), RecordCounts())


@harmless(None)
def clean() -> None:
    """Remove what is older than a week."""
    for folder in outage_marker.folder().glob("airflow-*"):
        if _is_ours(folder) and time.time() - folder.lstat().st_mtime > KEPT:
            shutil.rmtree(folder, ignore_errors=True)
