"""How the installation is: running or not, since when, ready or not, and with how much memory."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.supervisor import health, instance
from deploy.supervisor.layout import Layout
from deploy.supervisor.programs import Program

State = Literal["stopped", "starting", "ready", "unhealthy"]


@dataclass(frozen=True)
class Status:
    """A picture of one process at this moment; memory in megabytes, where the system tells it."""

    process: str
    state: State
    var: str
    log: str
    pid: int | None = None
    since: str | None = None
    version: str | None = None
    url: str | None = None
    memory_mb: int | None = None
    detail: str | None = None
    away: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people."""
        if self.pid is None:
            return [f"stopped    (data in {self.var})"]
        facts = [f"{self.state:<10} {self.url or '(not listening yet)'}"]
        facts.append(f"process    {self.pid} since {self.since}, version {self.version}")
        if self.memory_mb is not None:
            facts.append(f"memory     {self.memory_mb} MB")
        if self.detail:
            facts.append(f"services   {self.detail}")
        return [*facts, f"data       {self.var}", f"log        {self.log}"]

    def row(self) -> str:
        """One line of a team's table."""
        if self.pid is None:
            return f"{self.process:<11}{self.state}"
        memory = "" if self.memory_mb is None else f"{self.memory_mb} MB"
        why = f"  {self.detail}" if self.state == "unhealthy" and self.detail else ""
        if self.away:
            why = f"  without {', '.join(self.away)}"
        return f"{self.process:<11}{self.state:<11}{self.pid:<9}{memory:<9}{self.url}{why}"


def lines(seen: Sequence[Status]) -> list[str]:
    """For people: one process in full, a team as a table."""
    if len(seen) == 1:
        return seen[0].lines()
    head = f"{'process':<11}{'state':<11}{'pid':<9}{'memory':<9}address"
    return [head, *(one.row() for one in seen), f"data and logs in {seen[0].var}"]


def as_json(seen: Sequence[Status]) -> Any:
    """One process as an object, a team as a list of them."""
    return asdict(seen[0]) if len(seen) == 1 else [asdict(one) for one in seen]


def look(program: Program, layout: Layout) -> Status:
    """The status now."""
    running = instance.find(program.lock)
    if running is None:
        return Status(program.title, "stopped", str(layout.var), str(program.log))
    found = health.ask(running.url) if running.url else None
    return Status(
        program.title,
        _state(found),
        str(layout.var),
        str(program.log),
        pid=running.pid,
        since=running.since,
        version=running.version,
        url=running.url,
        memory_mb=_memory_mb(running.pid),
        detail=found.detail if found else None,
        away=found.away if found else (),
    )


def _state(found: health.Health | None) -> State:
    if found is None:
        return "starting"
    return "ready" if found.ready else "unhealthy"


def _memory_mb(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")]
    return sizes[0] // 1024 if sizes else None
