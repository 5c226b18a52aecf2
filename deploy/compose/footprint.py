"""How large the images are, and how much memory the containers take at the moment."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from deploy.compose.engine import Compose

PYTHON: Final = ("system", "meta", "etl", "runner")
PROMISED_MIB: Final = 400.0
"""For one container of each of our services together, while nothing is asked of them."""
_MIB: Final = 1024.0**2
_UNITS: Final = {
    "B": 1.0,
    "kB": 1e3,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "KiB": 1024.0,
    "MiB": _MIB,
    "GiB": 1024.0**3,
}


@dataclass(frozen=True)
class Line:
    """One container: the size of its image and the memory of its processes, in MiB."""

    service: str
    name: str
    image: str
    image_mib: float
    memory_mib: float


def measure(compose: Compose) -> list[Line]:
    """Every running container of the project."""
    running = [one for one in compose.containers() if one.status == "running"]
    if not running:
        return []
    printed = compose.docker("stats", "--no-stream", "--format", "{{json .}}", *(one.id for one in running))
    memory = {}
    for text in printed.splitlines():
        told = json.loads(text)
        memory[told["Name"]] = mib(told["MemUsage"].partition("/")[0].strip())
    sizes = {
        image: float(compose.docker("image", "inspect", "--format", "{{.Size}}", image)) / _MIB
        for image in {one.image for one in running}
    }
    return [
        Line(one.service, one.name, one.image, sizes[one.image], memory.get(one.name, 0.0)) for one in running
    ]


def mib(text: str) -> float:
    """`92.06MiB` as a number of MiB. ValueError for what has no such form."""
    found = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]+)", text)
    if not found or found[2] not in _UNITS:
        raise ValueError(f"{text!r} is no amount of memory")
    return float(found[1]) * _UNITS[found[2]] / _MIB


def ours(lines: Iterable[Line]) -> float:
    """The memory of one container of each of our services, in MiB."""
    first: dict[str, float] = {}
    for line in lines:
        if line.service in PYTHON:
            first.setdefault(line.service, line.memory_mib)
    return sum(first.values())


def table(lines: list[Line]) -> str:
    """For people; sizes of images include the layers that they share."""
    rows = [("container", "image", "image MiB", "memory MiB")]
    rows += [(one.name, one.image, f"{one.image_mib:.0f}", f"{one.memory_mib:.1f}") for one in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    text = [
        f"{name:<{widths[0]}}  {image:<{widths[1]}}  {size:>{widths[2]}}  {memory:>{widths[3]}}"
        for name, image, size, memory in rows
    ]
    together = (
        f"{', '.join(PYTHON)} together: {ours(lines):.0f} MiB (promised: under {PROMISED_MIB:.0f} idle)"
    )
    return "\n".join([*text, together])
