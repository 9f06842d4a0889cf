"""Keeps what tests write off the disk where there is plenty of memory: a fifth of their time goes into small files."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # Linux: a file system in memory
ROOM = 8 * 2**30  # bytes; a run needs about one at a time


def _has_room() -> bool:
    """Say whether the folder is there, may be written to and run from, and leaves memory for the tests themselves."""
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        return False
    system = os.statvfs(MEMORY)
    free = system.f_bavail * system.f_frsize
    return not system.f_flag & os.ST_NOEXEC and min(free, psutil.virtual_memory().available) > ROOM


def use_memory() -> None:
    """Make temporary folders in memory, for this process and those it starts, unless TMPDIR says where.

    Nothing of it is left at the end: to look at what a test made, set TMPDIR.
    """
    if "TMPDIR" in os.environ or not _has_room():
        return
    folder = Path(tempfile.mkdtemp(prefix="tests-", dir=MEMORY))
    folder.chmod(0o1777)  # as /tmp has it: some tests work as another user
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # it is remembered once it was asked for
