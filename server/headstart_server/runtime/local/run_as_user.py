"""Becomes another program under another account.

Run as a script, ``as_account.py UID GID PROGRAM ARGUMENT...``: this way nothing has to run between fork and exec of a
process that has threads. The C library changes the account of all threads, and after a fork may wait for ever for some
that are not there.
"""

import os
import sys


def main() -> None:
    user, group, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
