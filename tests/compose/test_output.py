"""Reading the programs' logs while they are written, and while a restart replaces them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from batchtel_stack import output
from batchtel_stack.follow import follow


def test_no_line_is_lost_between_the_tail_and_the_following(tmp_path: Path) -> None:
    """A line that is written between the tail and the start of the following is printed."""
    log = output.fresh(tmp_path, "jaeger")
    log.write_text("one\ntwo\nthree\n")
    end = log.stat().st_size
    with log.open("a") as file:
        file.write("four\n")
    assert output.tail(log, 2, end) == ["two", "three"]
    assert output.tail(log, 2) == ["three", "four"]
    with closing(follow({"jaeger": log}, {"jaeger": end})) as following:
        assert next(following) == ("jaeger", "four")


def test_a_restart_is_followed_into_its_new_file(tmp_path: Path) -> None:
    """The rest of the old file comes first, an unfinished line included; the new one is read from its start."""
    log = output.fresh(tmp_path, "jaeger")
    log.write_text("old\n")
    with closing(follow({"jaeger": log}, {"jaeger": 0})) as following:
        assert next(following) == ("jaeger", "old")
        with log.open("ab") as file:
            file.write(b"last \xff lines\nunfin")
            file.flush()
            output.fresh(tmp_path, "jaeger")
            log.write_text("new\n")
            file.write(b"ished")
        assert [next(following) for _ in range(3)] == [
            ("jaeger", "last \N{REPLACEMENT CHARACTER} lines"),
            ("jaeger", "unfinished"),
            ("jaeger", "new"),
        ]
