"""Is what is said of the rows true? The checks' findings beside our own count."""

from collections.abc import Sequence
from typing import Final

from services.etl.tables.definition import TableDefinition
from services.etl.tables.dialects import Dialect, Finding
from services.etl.tables.difference import difference
from services.etl.tables.physical import Physical
from services.etl.tables.reading import read
from shared.errors import Loc

from .changing import Changing
from .foreseeing import Foreseen, Obstacle

_PLACES: Final = {
    "cast": ("type", "value_unfit"),
    "null": ("nullable", "value_missing"),
    "missing": ("default", "value_missing"),
}


def require_true(changing: Changing, came: Foreseen, findings: Sequence[Finding]) -> None:
    """The findings are all obstacles that we know of, at their places, with as many rows, and no more."""
    said = {(finding.check.loc, finding.check.code): finding.rows for finding in findings if finding.rows}
    assert said == {placed(changing.after, one): rows for one, rows in came.obstacles.items()}
    for finding in findings:
        sentence = finding.fault.message
        assert str(finding.rows) in sentence
        assert len(finding.samples) <= min(5, finding.rows)


def placed(after: TableDefinition, obstacle: Obstacle) -> tuple[Loc, str]:
    """The place in the definition and the code that an obstacle should have."""
    kind, what = obstacle
    ids = {column.name: column.id for column in after.columns}
    if kind in _PLACES:
        member, code = _PLACES[kind]
        return ("columns", list(ids.values()).index(what), member), code
    number = what if after.primary_key else what + 1
    return (("unique_keys", number - 1) if number else ("primary_key",)), "key_duplicate"


def require_made(dialect: Dialect, physical: Physical | None, definition: TableDefinition) -> None:
    """The physical table is what the definition says."""
    assert physical is not None
    found = read(physical, dialect, like=definition)
    assert difference(definition, found).sentences() == []
