"""The commands of docs/first-steps.md, run as they stand there."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance import process

PAGE = process.ROOT / "docs" / "first-steps.md"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the page is about curl")


def test_the_first_steps_lead_to_a_filled_table(tmp_path: Path) -> None:
    with process.running(tmp_path / "var") as penstock:
        script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
        script = script.replace("make run ", ": ").replace("http://127.0.0.1:8080", penstock.url)
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "event: succeeded" in done.stdout
        assert '"breaks": [\n' in done.stdout, "the task fills a column that has another name by now"
    with closing(sqlite3.connect(tmp_path / "var" / "sqlite" / "default" / "warehouse.db")) as target:
        assert target.execute("SELECT id, title, price FROM products ORDER BY id").fetchall() == [
            (1, "Kettle", "24.90"),
            (2, "Cup", None),
            (3, "Saucer", "3.50"),
        ]
