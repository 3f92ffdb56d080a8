"""The entry point of the ``headstart`` command: says what to install where the extra ``cli`` is missing.

The commands are in ``command_line``. They need typer and rich, which the client itself does without.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

# The packages of the extra: if another module is missing, the error is not about the extra.
_EXTRA = ("typer", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 not done, 2 not understood, 130 interrupted."""
    try:
        from headstart.command_line.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print("headstart: the command needs more than the client: pip install 'headstart[cli]'", file=sys.stderr)
        return 2
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
