"""What others have made around a table of MySQL or MariaDB and a change would break without a word."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from services.etl.tables.difference import ColumnPair
from shared.errors import Fault

from . import uses
from .work import Sql, TableChange

_TOKENS: Final = re.compile(r"`((?:[^`]|``)*)`|'(?:[^'\\]|''|\\.)*'", re.DOTALL)


def faults(change: TableChange, made: Sequence[ColumnPair]) -> Iterator[Fault]:
    """`made` are columns whose values an UPDATE makes, in a column of its own that takes their place."""
    yield from uses.faults(change, [pair.before for pair in made])
    yield from _renamed(change)
    yield from _numbered(change)
    checked = {column.name for column in change.physical.columns if column.check}
    for pair in made:
        place = ("columns", pair.place, "type")
        if pair.before.name in checked:
            reason = (
                "the column has a check, which would go with its old values; drop that in the database first"
            )
            yield Fault(place, "column_in_use", reason)
        for use in change.physical.uses:
            if use.fires:
                reason = f"{use.what} would run with the UPDATE that makes the values; drop it for that time"
                yield Fault(place, "trigger_fires", reason)


def _renamed(change: TableChange) -> Iterator[Fault]:
    """A trigger goes on with the old name, and then no row can be written any more."""
    for pair in change.difference.kept:
        for use in change.physical.uses if pair.renamed else ():
            if use.what.startswith("the trigger ") and pair.before.name in use.columns:
                reason = f"{use.what} uses the column by its old name; change that in the database first"
                yield Fault(("columns", pair.place, "name"), "column_in_use", reason)


def _numbered(change: TableChange) -> Iterator[Fault]:
    for pair in change.difference.kept:
        default = pair.after.default
        if pair.retyped and default and default.kept == "identity" and not pair.after.type.is_integer:
            reason = "the database numbers the column itself; only integers can be counted on"
            yield Fault(("columns", pair.place, "type"), "default_kept", reason)


def renamed(expression: str, names: Mapping[str, str], quote: Callable[[str], Sql]) -> str:
    """An expression of the catalog, which quotes all names, with new ones by the old ones in lower case."""

    def named(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        name = found[1].replace("``", "`")
        return quote(names.get(name.lower(), name))

    return _TOKENS.sub(named, expression)
