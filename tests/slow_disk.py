"""A disk that takes its time to say that data are safe: fsync and fdatasync of a program, delayed and counted.

By a library of a few lines that the program loads first (LD_PRELOAD), since a device that delays (dm-delay) needs a
kernel with device-mapper. The delay changes while the program runs; files and data are real.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc") or shutil.which("gcc")

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int late(const char *name, int file) {
    int delay = open(DIRECTORY "/milliseconds", O_RDONLY), count = open(DIRECTORY "/count", O_WRONLY | O_APPEND);
    char text[16] = {0};
    int milliseconds = 0;
    if (delay >= 0 && read(delay, text, sizeof text - 1) > 0) sscanf(text, "%d", &milliseconds);
    if (count >= 0 && write(count, "", 1) < 0) milliseconds = 0;
    if (delay >= 0) close(delay);
    if (count >= 0) close(count);
    for (int waited = 0; waited < milliseconds; waited += 10) usleep(10000);
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}

int fsync(int file) { return late("fsync", file); }
int fdatasync(int file) { return late("fdatasync", file); }
"""


class SlowDisk:
    """``environment`` is for the program that is to find its disk slow; ``directory`` must be one that it can reach."""

    def __init__(self, directory: Path) -> None:
        assert COMPILER is not None
        directory.mkdir(mode=0o711)
        self._delay, self._count = directory / "milliseconds", directory / "count"
        self._delay.write_text("0")
        self._count.touch()
        self._count.chmod(0o666)
        source, library = directory / "slow_disk.c", directory / "slow_disk.so"
        source.write_text(_SOURCE)
        where = f'-DDIRECTORY="{directory}"'
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", where, "-o", library, source, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library)}

    def delay(self, milliseconds: int) -> None:
        """Of each fsync and fdatasync that begins from now on."""
        self._delay.write_text(str(milliseconds))

    def syncs(self) -> int:
        """That have begun so far."""
        return self._count.stat().st_size
