"""The page of all settings, from the classes that read them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from deploy.supervisor import programs
from services.embedded import EmbeddedSettings
from services.etl.settings import EtlSettings, RunnerSettings
from services.meta.settings import MetaSettings
from services.system.settings import SystemSettings
from shared.config.base import PREFIX, Settings
from shared.config.service import ClientOfSystem, ServiceSettings

PAGE: Final = Path(__file__).parents[2] / "docs" / "settings.md"

_INTRODUCTION: Final = """\
# Settings

Every process reads its settings from its environment. For each variable there is a second one with `_FILE`
behind its name, which names a file with the value: passwords and keys belong there. A setting that can't be
read ends the start with one line that names it and doesn't show it. Lists are written with commas.

In embedded mode one process reads all of them, and decides some by itself: where System is, that resources
may be on this machine, and where SQLite files lie.

`TMPDIR` is the system's own: below it ETL and the runners put what runs and previews need for a while, each
into a folder `penstock-work-...` of its own, which goes with it. What a process that was killed has left is
removed when the next one starts or works there. It belongs on a disk, not into memory.
"""
_PROCESSES: Final[Mapping[str, type[Settings]]] = {
    "System": SystemSettings,
    "Meta": MetaSettings,
    "ETL": EtlSettings,
}
_MANAGE: Final[tuple[tuple[str, object, str], ...]] = (
    *((f"{name.upper()}_PORT", port, f"The port of {name}.") for name, port in programs.SERVICES.items()),
    ("RUNNERS", 1, f"How many runners, 1 to {programs.MAX_RUNNERS}."),
    ("RUNNER_PORT", programs.FIRST_RUNNER_PORT, "The port of the first runner; the others follow it."),
)


def page() -> str:
    """The whole page, which `docs/settings.md` holds."""
    common = _fields(ServiceSettings)
    parts = [_INTRODUCTION, _section("Every service and every runner", common)]
    clients = _without(_fields(ClientOfSystem), common)
    parts.append(_section("Meta, ETL and runners", clients))
    for title, settings in _PROCESSES.items():
        own = _without(_fields(settings), {**common, **clients})
        parts.append(_section(title + (" and runners" if settings is EtlSettings else ""), own))
    parts.append(_section("Embedded mode", _fields(EmbeddedSettings)))
    parts.append(_ports())
    rows = (_row(name, default, meaning) for name, default, meaning in _MANAGE)
    parts.append("\n".join(["## manage.py with a team", "", *_HEAD, *rows, ""]))
    return "\n".join(parts)


_HEAD: Final = ("| variable | default | meaning |", "|---|---|---|")


def _fields(settings: type[Settings]) -> dict[str, FieldInfo]:
    return dict(settings.model_fields)


def _without(fields: Mapping[str, FieldInfo], known: Mapping[str, FieldInfo]) -> dict[str, FieldInfo]:
    return {name: field for name, field in fields.items() if name not in known}


def _section(title: str, fields: Mapping[str, FieldInfo]) -> str:
    return "\n".join([f"## {title}", "", *_HEAD, *_rows(fields), ""])


def _rows(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        if field.description is None:
            raise ValueError(f"{PREFIX}{name.upper()} has no description")
        yield _row(name.upper(), field.default, field.description)


def _row(name: str, default: Any, meaning: str) -> str:
    return f"| `{PREFIX}{name}` | {_shown(default)} | {meaning} |"


def _shown(default: Any) -> str:
    if default is None or default in ("", ()):
        return ""
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


def _ports() -> str:
    settings: dict[str, type[Settings]] = {**_PROCESSES, "a runner": RunnerSettings}
    ports = ", ".join(f"{name} {one.model_fields['port'].default}" for name, one in settings.items())
    return f"Without `{PREFIX}PORT` the processes listen on these ports: {ports}.\n"
