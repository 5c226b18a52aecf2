"""How long a statement may take, by the size of its table. An estimate: servers differ tenfold."""

from typing import Final

from services.etl.tables.dialects import Statement
from services.etl.tables.physical import Size

_SCAN_BYTES_PER_SECOND: Final = 200e6
_REWRITE_BYTES_PER_SECOND: Final = 40e6
_ROWS_PER_SECOND: Final = 1e6
"""However small rows are, each costs some work."""


def seconds(statement: Statement, size: Size | None) -> float | None:
    """The seconds that a statement may take once it has its locks; None while the size isn't known."""
    if statement.effort == "none":
        return 0.0
    if size is None:
        return None
    rate = _SCAN_BYTES_PER_SECOND if statement.effort == "scan" else _REWRITE_BYTES_PER_SECOND
    return round(max(size.bytes / rate, size.rows / _ROWS_PER_SECOND), 1)
