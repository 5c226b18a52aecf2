"""What a piece of work has taken goes back to the system when it is over."""

import subprocess
import sys

import pytest

HOLDS_ON = """
import os
from pathlib import Path
from services.etl.runner.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

give_back()
before = resident()
blocks = [bytes(100_000) for _ in range(2000)]
blocks = blocks[-1:]  # the last one keeps the heap's end where it is
held = resident()
give_back()
print(before, held, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is the C library of Linux that is asked")
def test_memory_that_nothing_uses_goes_back_to_the_system() -> None:
    command = [sys.executable, "-c", HOLDS_ON]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    before, held, after = map(int, done.stdout.split())

    assert held > before + 100
    assert after < before + 20
