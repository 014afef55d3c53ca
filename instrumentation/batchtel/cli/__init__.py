"""The `batchtel` command of the job side."""
