"""How the installation is: running or not, since when, ready or not, and with how much memory."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.supervisor import health, instance
from deploy.supervisor.layout import Layout

State = Literal["stopped", "starting", "ready", "unhealthy"]


@dataclass(frozen=True)
class Status:
    """A picture of the moment; memory in megabytes, where the system tells it."""

    state: State
    var: str
    log: str
    pid: int | None = None
    since: str | None = None
    version: str | None = None
    url: str | None = None
    memory_mb: int | None = None
    detail: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

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


def look(layout: Layout) -> Status:
    """The status now."""
    running = instance.find(layout.lock)
    if running is None:
        return Status("stopped", str(layout.var), str(layout.log))
    found = health.ask(running.url) if running.url else None
    return Status(
        _state(found),
        str(layout.var),
        str(layout.log),
        pid=running.pid,
        since=running.since,
        version=running.version,
        url=running.url,
        memory_mb=_memory_mb(running.pid),
        detail=found.detail if found else None,
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
