"""The base of handlers: the steps of a pipeline between its loader and its destination."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from services.etl.columns import Columns
from services.etl.pipeline.context import Context
from services.etl.pipeline.definition import SourceConfig
from services.etl.pipeline.step import Step

if TYPE_CHECKING:
    from pandas import DataFrame

    from services.etl.pipeline.pieces import Piece


class HandlerStep(Step, ABC):
    """A step between the loader and the destination: one of `Handler` or `TableHandler`.

    Write one file with one subclass. The module must not import pandas or pyarrow when it is imported: the
    API describes handlers without.
    """

    kind: ClassVar[str] = "handler"
    scope: ClassVar[Literal["rows", "table"]]
    looked_up: Mapping[str, Columns] = MappingProxyType({})
    """The columns of the further sources, by their names; there before `columns_out` is asked."""

    @abstractmethod
    def columns_out(self, columns: Columns) -> Columns:
        """The columns after this step, worked out without data.

        Errors carry their place relative to the step's parameters, such as `("columns", 2)`.
        """

    def lookups(self) -> Mapping[str, SourceConfig]:
        """Further sources that this step reads, each under the name of the parameter that gives it."""
        return {}


class Handler(HandlerStep, ABC):
    """A step that works on some rows at a time: a frame in, a frame out.

    Its class has a docstring, a `name`, nested `Params`, `columns_out` and `apply`. It gives the same for a
    table in batches as for the table as a whole.
    """

    scope: ClassVar[Literal["rows", "table"]] = "rows"
    multiplies: ClassVar[bool] = False
    """Whether one row may become several: the index then has its record number several times."""

    @abstractmethod
    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        """Work on one batch. Columns have Arrow types (`pandas.ArrowDtype`), the index is the record number.

        Keep the index of rows that stay; declare rows that go in `context`. What comes back must have the
        columns of `columns_out`: a type that differs is cast back when no value changes, else the run fails.
        """


class TableHandler(HandlerStep, ABC):
    """A step that may have to see all rows before it gives the first one."""

    scope: ClassVar[Literal["rows", "table"]] = "table"

    @abstractmethod
    def through(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        """Take all pieces, of `context.columns_in`, and give pieces of exactly `context.columns_out`.

        Rows that go or come are declared in `context` before the last piece is given. Memory is bounded by
        `context.memory_mb`; more goes to `context.scratch`.
        """
