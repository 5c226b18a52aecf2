"""Whole runs as a user starts them: an embedded Penstock, a file sent to it, a data table, a task, a run.

What is measured is from the request that starts the run until the run is over: the job, the ledger, the
events and the answers included. The upload is not.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from tests.acceptance.process import ETL
from tests.acceptance.workshop import TERMINAL, Workshop
from tests.benchmarks.goods import TYPES

_LOOK_SECONDS: Final = 0.02
_PART: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Measured:
    """A run that is over: its seconds, its counts, and the most memory in MiB that its process took."""

    seconds: float
    counts: Mapping[str, Any]
    peak_mb: int


@dataclass(frozen=True)
class Bench:
    """A running Penstock, by its owner and its process."""

    workshop: Workshop
    pid: int

    def resource(self, name: str, connection: Mapping[str, Any]) -> str:
        """The id of a resource."""
        return self.workshop.resource(name, connection)

    def upload(self, path: Path) -> str:
        """The id of a file, sent in parts."""
        caller, size = self.workshop.caller, path.stat().st_size
        made = caller.post(f"{ETL}/files", {"name": path.name, "size": size})
        with path.open("rb") as file:
            for offset in range(0, size, _PART):
                answer = caller.send(
                    "PATCH",
                    f"{ETL}/files/{made['id']}/content",
                    file.read(_PART),
                    {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)},
                )
                assert answer.status == 200, answer
        return str(made["id"])

    def table(self, name: str, resource: str, *, key: Sequence[str]) -> str:
        """A published data table of the goods."""
        columns = [{"name": each, "type": kind, "nullable": each not in key} for each, kind in TYPES.items()]
        given = {
            "display_name": name, "resource_id": resource, "physical_name": name, "columns": columns,
            "primary_key": list(key),
        }  # fmt: skip
        made = self.workshop.caller.post(f"{ETL}/data-tables", given)
        self.workshop.publish(f"{ETL}/data-tables/{made['id']}")
        return str(made["id"])

    def task(
        self, name: str, source: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], **limits: Any
    ) -> str:
        """A task."""
        given = {"name": name, "source": source, "steps": steps, "limits": limits}
        return str(self.workshop.caller.post(f"{ETL}/tasks", given)["id"])

    def run(self, task: str) -> Measured:
        """A run of the task to its end, which is a success."""
        self._forget_peaks()
        started = time.perf_counter()
        run_id, peak = self.workshop.start(task), 0
        while (found := self.workshop.run(run_id))["state"] not in TERMINAL:
            time.sleep(_LOOK_SECONDS)
            peak = max(peak, self._peak())
        seconds = time.perf_counter() - started
        assert found["state"] == "succeeded", found
        return Measured(seconds, found["counts"], max(peak, self._peak()))

    def _children(self) -> list[psutil.Process]:
        found = []
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "services.etl.runner.child" in process.cmdline():
                    found.append(process)
        return found

    def _forget_peaks(self) -> None:
        """From now on the kernel counts each child's peak anew (proc(5), clear_refs)."""
        for process in self._children():
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def _peak(self) -> int:
        """The most resident memory of a child since then, in MiB, as the kernel has counted it."""
        peak = 0
        for process in self._children():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                (line,) = [line for line in lines if line.startswith("VmHWM")] or ["VmHWM: 0 kB"]
                peak = max(peak, int(line.split()[1]) >> 10)
        return peak


def csv_source(file: str) -> dict[str, Any]:
    """The source of a task that reads the goods from a file."""
    columns = [{"name": name, "type": kind} for name, kind in TYPES.items()]
    return {"loader": "csv", "params": {"file_id": file, "columns": columns}}


def table_source(resource: str, table: str) -> dict[str, Any]:
    """The source of a task that reads the goods from a table of a database."""
    columns = [{"name": name, "type": kind} for name, kind in TYPES.items()]
    return {
        "loader": "database_table",
        "params": {"resource_id": resource, "table_name": table, "columns": columns},
    }
