import subprocess
import sys
from pathlib import Path

import pytest

from services.etl.runner import identity

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the facts are Linux's")


def identity_of(pid: int) -> str:
    return f"{pid}/{identity._started(pid)}"


def test_this_process_is_alive() -> None:
    assert identity.is_alive(identity.this_process().process)


def test_a_process_keeps_its_identity() -> None:
    assert identity.this_process() == identity.this_process()


def test_a_killed_process_is_dead_even_before_its_parent_has_noticed() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        process = identity_of(child.pid)
        assert identity.is_alive(process)
        child.kill()
        while identity.is_alive(process):
            assert child.returncode is None
        child.wait()
    assert not identity.is_alive(process)


def test_another_process_under_the_same_number_is_not_the_one() -> None:
    pid, _, _ = identity.this_process().process.partition("/")
    assert not identity.is_alive(f"{pid}/1")
