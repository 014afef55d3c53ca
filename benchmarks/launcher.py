"""Run one command and print what it used: wall seconds, CPU seconds, peak bytes and exit code.

Always a process of its own (`python -I -S launcher.py COMMAND...`): Linux starts the peak memory of a child at that of
the process which starts it, so a large benchmark would be the floor of every figure. This one needs less than any job.
"""

import os
import sys
import time


def main() -> None:
    """Start the command, with its stdout on our stderr, and wait for it."""
    command = sys.argv[1:]
    begun = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
