"""A job that calls batchtel CALLS times: `records` or `step`, as named by CALL."""

import os

import batchtel

calls = int(os.environ["CALLS"])
with batchtel.job("nightly") as job:
    if os.environ["CALL"] == "records":
        for _ in range(calls):
            job.records(processed=1)
    else:
        for _ in range(calls):
            with batchtel.step("load"):
                pass
