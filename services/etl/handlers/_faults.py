"""Collecting everything that is wrong with a step's parameters, instead of the first thing alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from services.etl.columns import Column, Columns, ColumnType
from services.etl.pipeline.errors import TypeMismatch
from shared.errors import Fault, Invalid, Loc, PenstockError


class ColumnsUnfit(Invalid):
    """The step can't work on these columns: {reason}."""


class NoColumnLeft(Invalid):
    """The step would leave no column."""


class Faults:
    """Faults found so far. `complain` raises ColumnsUnfit with all of them, if there are any."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Collect what is raised in here."""
        try:
            yield
        except PenstockError as error:
            self.found += error.all_faults()

    def complain(self) -> None:
        """Raise what was collected."""
        if self.found:
            _complain(self.found)


def _complain(found: list[Fault]) -> NoReturn:
    raise ColumnsUnfit(loc=found[0].loc, faults=found, reason=found[0].message.rstrip("."))


def require(
    columns: Columns, names: Iterable[str], fits: Callable[[ColumnType], bool], *, wanted: str, loc: Loc
) -> list[Column]:
    """The columns of these names, all of which have a type that fits.

    Raises ColumnsUnfit with every place below `loc` that is wrong: the position of each name.
    """
    faults, found = Faults(), list[Column]()
    for position, name in enumerate(names):
        with faults.inside():
            found.append(require_one(columns, name, fits, wanted=wanted, loc=(*loc, position)))
    faults.complain()
    return found


def require_one(
    columns: Columns, name: str, fits: Callable[[ColumnType], bool], *, wanted: str, loc: Loc
) -> Column:
    """The column of this name. Raises ColumnUnknown or, where its type doesn't fit, TypeMismatch at `loc`."""
    column = columns.get(name, loc=loc)
    if not fits(column.type):
        raise TypeMismatch(
            loc=loc, column=name, given=column.type, wanted=wanted, hint="cast it in a step before"
        )
    return column


def is_text(kind: ColumnType) -> bool:
    """Whether values are plain character strings."""
    return kind.is_text
