"""The columns that a file has against those that are declared."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from services.etl.loaders._files import FileLoader
from services.etl.pipeline.errors import HeaderChanged, HeaderDuplicate, HeaderInvalid

MAX_FIELDS: Final = 5000
MAX_NAME: Final = 255


def by_name(loader: FileLoader, names: Sequence[str]) -> list[int]:
    """Which column of the file each declared one is. Raises HeaderDuplicate or HeaderChanged."""
    declared = [column.name for column in loader.declared]
    doubled = next((name for name, times in Counter(names).items() if times > 1), None)
    if doubled is not None:
        where = [str(position) for position, name in enumerate(names, 1) if name == doubled]
        raise HeaderDuplicate(name=doubled, positions=" and ".join(where))
    missing = [name for name in declared if name not in names]
    if missing:
        raise HeaderChanged(reason=f"it lacks {_listed(missing)}; it has {_listed(names)}")
    extra = [name for name in names if name not in declared]
    if extra and loader.params.extra_columns == "fail":
        raise HeaderChanged(reason=f"it has {_listed(extra)}, which no column is declared for")
    return [names.index(name) for name in declared]


def undeclared(loader: FileLoader, names: Sequence[str]) -> list[int]:
    """Which columns of the file are collected. Raises HeaderInvalid for names that are not kept."""
    if loader.params.extra_column is None:
        return []
    check_names(names)
    declared = {column.name for column in loader.declared}
    return [position for position, name in enumerate(names) if name not in declared]


def check_names(names: Sequence[str]) -> None:
    """Raises HeaderInvalid for a name that no column can have, or for too many of them."""
    if len(names) > MAX_FIELDS:
        raise HeaderInvalid(reason=f"it has more than {MAX_FIELDS} fields")
    for position, name in enumerate(names, 1):
        if "\x00" in name:
            raise HeaderInvalid(reason=f"the name in field {position} holds a NUL character")
        if len(name) > MAX_NAME:
            raise HeaderInvalid(
                reason=f"the name in field {position} has {len(name)} characters, more than {MAX_NAME}"
            )


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(repr(name[:80]) for name in names[:most]) + (", ..." if len(names) > most else "")
