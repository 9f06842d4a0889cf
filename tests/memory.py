"""Keeps what tests write off the disk where there is plenty of memory: a fifth of their time goes into small files."""

import os
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # Linux: a file system in memory, in which pytest makes a folder that only its user may enter
ROOM = 8 * 2**30  # bytes; a run needs less than half of it


def _has_room() -> bool:
    """Say whether the folder is there, may be written to and run from, and leaves memory for the tests themselves."""
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        return False
    system = os.statvfs(MEMORY)
    free = system.f_bavail * system.f_frsize
    return not system.f_flag & os.ST_NOEXEC and min(free, psutil.virtual_memory().available) > ROOM


def use_memory() -> None:
    """Make temporary folders in memory, for this process and those it starts, unless TMPDIR says where."""
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it is remembered once it was asked for
