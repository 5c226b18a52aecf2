"""Whole-table steps keep within their memory, whatever the size of the table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROWS, WIDTH, MEMORY_MB = 200_000, 1000, 64
"""About 200 MB of rows for 64 MB of memory."""


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ("sort_rows", ROWS),
        ("first", ROWS // 2),
        ("last", ROWS // 2),
        ("aggregate", ROWS // 2),
        ("join", ROWS),
    ],
)
def test_more_rows_than_fit_into_memory_go_to_disk(step: str, kept: int, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.integration.etl_data.spills", step, str(ROWS), str(WIDTH)]
    done = subprocess.run([*program, str(tmp_path)], check=True, capture_output=True, timeout=120)
    told = json.loads(done.stdout)
    assert told["rows"] == kept
    assert told["grown_mb"] < 2.5 * MEMORY_MB
    assert not list(tmp_path.iterdir())
