"""What Spark ran, on the page of a run: rows, bars, and spans that no Spark of ours records."""

from __future__ import annotations

import re
from typing import Any

import pytest

from batchtel_dashboards.history.run import Attempt, Identity, Run
from batchtel_dashboards.history.text import size
from batchtel_dashboards.stores import Span
from batchtel_dashboards.web import rendering, spark_stages, waterfall
from batchtel_dashboards.web.run import RunPage, Wanted
from batchtel_dashboards.web.sources import Part
from tests.support.rows import rows_below

RUN = Run(Identity("", "shop", "test", "load", "app-1"), (Attempt("success", 0.0, 10.0, {}),))

ROOT = Span("t", "run", "", "batch_job.load", 0, 10**10, {"batch.run.id": "app-1", "batch.status": "success"})


def span(span_id: str, parent: str, name: str, **attributes: Any) -> Span:
    """Return a span of 2 s; a double underscore of a name is a dot."""
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span("t", span_id, parent, name, 10**9, 3 * 10**9, given)


def job(number: int = 7, parent: str = "step") -> Span:
    """Return a job of Spark."""
    return span(f"j{number}", parent, "spark.job", spark__job__id=number, spark__job__status="SUCCEEDED")


def stage(number: Any, parent: str = "j7", **attributes: Any) -> Span:
    """Return a stage that is complete, unless attributes differ."""
    given = {"spark__stage__id": number, "spark__stage__name": "parquet at etl.py:9", "spark__stage__attempt": 0}
    given |= {"spark__stage__status": "COMPLETE", "spark__tasks": 2, "spark__tasks__completed": 2, **attributes}
    return span(f"s{number}-{given['spark__stage__attempt']}", parent, "spark.stage", **given)


STEP = span("step", "run", "batch_step.extract", batch__step__name="extract", spark__jobs=1, spark__tasks__failed=0)


def page(*spans: Span) -> str:
    """Return the page of the run with these spans, as HTML."""
    bars = waterfall.of_spans(RUN, spans)
    content = RunPage(Part([RUN]), Wanted("app-1"), 20.0, RUN, bars, Part(spans))
    return rendering.html("run", page=content)


def cells(text: str) -> list[dict[str, str]]:
    """Return the rows of the table of stages, by the names of their columns."""
    return rows_below(text, "Spark's stages")


def test_a_stage_has_what_it_did() -> None:
    """Numbers with their units; what is not recorded is -."""
    failed = stage(
        4,
        spark__stage__attempt=1,
        spark__stage__status="FAILED",
        spark__stage__failure="\nJob aborted: row 9001\n\tat org.apache.spark",
        spark__tasks=2_000,
        spark__tasks__completed=1_999,
        spark__tasks__failed=4,
        spark__tasks__killed=1,
        spark__input__records=1_234_567,
        spark__input__bytes=1_572_864,
        spark__shuffle__read__bytes=0,
        spark__shuffle__write__bytes=1_023,
        spark__spill__disk__bytes=5 * 1024**3,
    )
    first, second, reason = cells(page(ROOT, STEP, job(), failed, stage(3)))
    assert first == {
        "Step": "extract",
        "Job": "7",
        "Stage": "3",
        "Name": "parquet at etl.py:9",
        "Status": "COMPLETE",
        "Duration": "2.0 s",
        "Tasks": "2 of 2",
        "Read": "-",
        "Written": "-",
        "Shuffle read": "-",
        "Shuffle written": "-",
        "Spilled to disk": "-",
    }
    assert second == {
        "Step": "extract",
        "Job": "7",
        "Stage": "4 (attempt 1)",
        "Name": "parquet at etl.py:9",
        "Status": "FAILED",
        "Duration": "2.0 s",
        "Tasks": "1,999 of 2,000 4 failed 1 killed",
        "Read": "1,234,567 records 1.5 MiB",
        "Written": "-",
        "Shuffle read": "0 B",
        "Shuffle written": "1023 B",
        "Spilled to disk": "5.0 GiB",
    }
    assert reason == {"Reason": "Job aborted: row 9001"}


def test_a_run_without_spark_has_no_table() -> None:
    """Nor one whose trace has stages of other runs only."""
    other = span("other", "", "batch_job.other", batch__run__id="app-2")
    assert "Spark" not in page(ROOT, STEP, other, job(parent="other"), stage(1))


@pytest.mark.parametrize("end", [[], [ROOT]], ids=["killed", "ended"])
def test_a_run_that_was_killed_has_the_stages_of_its_steps(end: list[Span]) -> None:
    """Its own span is exported at its end; steps that ended before have theirs."""
    step = Span("t", "step", "run", STEP.name, 0, 1, {**STEP.attributes, "batch.run.id": "app-1"})
    assert [row.step for row in spark_stages.of_spans(waterfall.spans_of(RUN, [*end, step, job(), stage(1)])).rows] == [
        "extract"
    ]


def test_many_stages() -> None:
    """In the order of their ids; of those that are too many, none that failed is left out."""
    spans = [stage(number) for number in range(998, -1, -1)]
    spans[3] = stage(995, spark__stage__status="FAILED")
    spans[5] = stage(993, spark__tasks__failed=1)
    found = spark_stages.of_spans(spans)
    assert [row.stage for row in found.rows] == [*map(str, range(spark_stages.MOST - 2)), "993", "995"]
    assert found.left_out == 799
    assert "799 more of them are not shown" in page(ROOT, STEP, job(), *spans)
    every = spark_stages.of_spans([stage(number, spark__stage__status="FAILED") for number in range(300)])
    assert (len(every.rows), every.left_out) == (300, 0)


def test_bars() -> None:
    """Spark's have number and name, steps the few numbers that matter, and no bar has what the table has."""
    step = span(
        "step", "run", "batch_step.load", spark__jobs=2, spark__stages=3, spark__tasks__failed=1, db__system="x"
    )
    failed = stage(3, spark__stage__status="FAILED", spark__tasks__failed=1)
    active = span(
        "j8", "step", "spark.job", spark__job__id=8, spark__job__name="count at b", spark__job__status="RUNNING"
    )
    bars = {bar.name: bar for bar in waterfall.of_spans(RUN, [ROOT, step, job(), failed, active])}
    assert {name: (bar.status, dict(bar.facts)) for name, bar in bars.items()} == {
        "batch_job.load": ("success", {}),
        "batch_step.load": ("", {"spark.jobs": 2, "spark.tasks.failed": 1, "db.system": "x"}),
        "spark.job 7": ("success", {}),
        "spark.stage 3 parquet at etl.py:9": ("failure", {}),
        "spark.job 8 count at b": ("running", {}),
    }
    (_, bar) = waterfall.of_spans(RUN, [ROOT, STEP])
    assert dict(bar.facts) == {"spark.jobs": 1}


def test_spans_that_lack_everything() -> None:
    """A stage without an attribute, a job and a step is a row of its own, the last one."""
    bare = span("bare", "run", "spark.stage")
    *_, last = cells(page(ROOT, bare, STEP, job(), stage(3)))
    assert (last["Step"], last["Job"], last["Stage"], last["Status"]) == ("-", "-", "?", "unknown")
    assert last["Tasks"] == "- of -"
    assert [bar.name for bar in waterfall.of_spans(RUN, [ROOT, bare])] == ["batch_job.load", "spark.stage ?"]


@pytest.mark.parametrize("value", ["many", "", True, float("nan"), float("inf"), 10**400, "[1]"])
def test_numbers_that_are_none(value: Any) -> None:
    """They are not recorded."""
    odd = stage(value, spark__tasks=value, spark__tasks__failed=value, spark__input__bytes=value)
    (row,) = cells(page(ROOT, STEP, job(), odd))
    assert (row["Stage"], row["Tasks"], row["Read"]) == ("?", "2 of -", "-")


def test_parents_in_a_circle() -> None:
    """Each span is looked at once."""
    one, other = span("a", "b", "spark.job", batch__run__id="app-1"), span("b", "a", "spark.job")
    (row,) = spark_stages.of_spans([one, other, stage(1, parent="a")]).rows
    assert (row.step, row.job) == ("", None)


def test_foreign_text_is_text() -> None:
    """Markup is escaped, control characters are removed, and what is too long is cut."""
    script, long = "</td><script>pwned=1</script>", "x" * 1_000_000
    odd = stage(
        5,
        spark__stage__name=f"\x1b[31m{script}",
        spark__stage__status='FAILED" onclick="pwned=2',
        spark__stage__failure=f"{script}\x00 of {long}\nsecond line",
    )
    step = span("step", "run", "batch_step.a", batch__step__name=f"{script}{long}")
    named = span("j7", "step", "spark.job", spark__job__id=7, spark__job__name=f"{script}{long}\ud800")
    text = page(ROOT, step, named, odd, stage(6, spark__stage__name=long, spark__stage__status=long))
    assert not re.search('<script|\x1b|\x00|" onclick', text)
    assert "&lt;/td&gt;&lt;script&gt;pwned=1" in text
    assert "second line" not in text
    assert len(text) < 20_000


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_572_864, "1.5 MiB"),
        (2**62, "4,096.0 PiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_sizes(number: int, text: str) -> None:
    """In powers of 1024."""
    assert size(number) == text
