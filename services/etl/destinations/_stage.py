"""The stage of an upsert: which name its own column may have beside those of the table."""

from collections.abc import Sequence
from itertools import count
from typing import Final

_ROW: Final = "_penstock_row"


def row_column(columns: Sequence[str]) -> str:
    """The name of the stage's row-number column: one that differs from all columns also in lower case.

    It needs no quotes. The same columns give the same name.
    """
    taken = {name.casefold() for name in columns}
    if _ROW not in taken:
        return _ROW
    return next(name for number in count(2) if (name := f"{_ROW}_{number}") not in taken)
