"""A job with batchtel: one run, one log record."""

import logging

import batchtel

LOGGER = logging.getLogger("nightly")
LOGGER.setLevel(logging.INFO)

with batchtel.job("nightly") as job:
    LOGGER.info("the work is done")
    job.records(processed=100)
