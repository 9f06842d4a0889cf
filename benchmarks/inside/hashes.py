"""Print how many passwords per second this machine can check on all cores with bcrypt alone."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt

SECONDS = float(sys.argv[1])
CPUS = os.cpu_count() or 1
HASH = bcrypt.hashpw(b"x" * 64, bcrypt.gensalt(12))


def check_until(end: float) -> int:
    checked = 0
    while time.monotonic() < end:
        bcrypt.checkpw(b"x" * 64, HASH)
        checked += 1
    return checked


started = time.monotonic()
with ThreadPoolExecutor(CPUS) as threads:
    checked = sum(threads.map(check_until, [started + SECONDS] * CPUS))
print(checked / (time.monotonic() - started))
