"""Becomes another program that the kernel ends together with its parent.

Run as a script, ``tied.py PARENT_PID PROGRAM ARGUMENT...``: this way nothing has to run between fork and exec of a
process that may have threads. Linux only; elsewhere the program simply starts.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # No part of the service needs an orderly end: acknowledged results are on disk.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
