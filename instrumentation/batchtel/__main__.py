"""`python -m batchtel`: the same as `batchtel`, for an environment whose programs are not on PATH."""

from __future__ import annotations

from batchtel.cli.main import main

main(prog_name="batchtel")
