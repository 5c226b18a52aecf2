"""Columns of values in an expression, with the rows apart in which they could not be computed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Failed(Exception):
    """A value can't be computed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows (a NumPy mask) that failed and why; `told` has the values that made them, by row."""

    rows: Any
    code: str
    reason: str
    told: Mapping[int, str | None] = field(default_factory=dict)

    def where(self, reached: Any) -> "Problem":
        """The same in those rows only that were reached."""
        return Problem(self.rows & reached, self.code, self.reason, self.told)


@dataclass(frozen=True, slots=True)
class Value:
    """An Arrow array, NULL in the rows that failed, and what went wrong in those."""

    array: Any
    problems: tuple[Problem, ...] = ()

    def where(self, reached: Any) -> tuple[Problem, ...]:
        """The problems of the rows that were reached."""
        return tuple(problem.where(reached) for problem in self.problems)


def truths(array: Any, *, unknown: bool) -> Any:
    """A Boolean Arrow array as a NumPy mask, with a value for NULL."""
    return pc.fill_null(array, unknown).to_numpy(zero_copy_only=False)


def without(array: Any, rows: Any) -> Any:
    """The array with NULL in the rows of a NumPy mask."""
    return pc.if_else(pa.array(rows), pa.scalar(None, array.type), array) if rows.any() else array


def failing(array: Any, bad: Any, code: str, reason: str) -> Value:
    """A value with NULL and a problem in the rows for which a Boolean Arrow array is true."""
    rows = truths(bad, unknown=False)
    return Value(without(array, rows), (Problem(rows, code, reason),)) if rows.any() else Value(array)


def by_rows(compute: Callable[..., Any], arrays: Sequence[Any], kind: Any) -> Value:
    """Compute row by row, where Arrow can't do it or has found that some row fails.

    NULL in any argument is NULL. `compute` may raise Failed.
    """
    found: list[Any] = []
    problems: dict[tuple[str, str], list[int]] = {}
    for row, values in enumerate(zip(*(array.to_pylist() for array in arrays), strict=True)):
        try:
            found.append(None if None in values else compute(*values))
        except Failed as error:
            found.append(None)
            problems.setdefault((error.code, error.reason), []).append(row)
    return Value(pa.array(found, kind), tuple(_problem(len(found), *item) for item in problems.items()))


def _problem(length: int, why: tuple[str, str], rows: Iterable[int]) -> Problem:
    mask = np.zeros(length, dtype=bool)
    mask[list(rows)] = True
    return Problem(mask, *why)


def problem_at(length: int, cells: Iterable[Any]) -> tuple[Problem, ...]:
    """The problems of cells that a cast found bad, by code and reason."""
    grouped: dict[tuple[str, str], dict[int, str | None]] = {}
    for cell in cells:
        grouped.setdefault((cell.code, cell.reason), {})[cell.row] = cell.value
    return tuple(Problem(_problem(length, why, values).rows, *why, values) for why, values in grouped.items())
