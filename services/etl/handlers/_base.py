"""The base of handlers: one step of a pipeline, a frame in, a frame out."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from services.etl.columns import Columns
from services.etl.pipeline.context import Context
from services.etl.pipeline.step import Step

if TYPE_CHECKING:
    from pandas import DataFrame


class Handler(Step, ABC):
    """One step between the loader and the destination.

    Write one file with one subclass: a docstring, a `name`, nested `Params`, `columns_out` and `apply`.
    The module must not import pandas or pyarrow when it is imported: the API describes handlers without.
    """

    kind: ClassVar[str] = "handler"

    @abstractmethod
    def columns_out(self, columns: Columns) -> Columns:
        """The columns after this step, worked out without data.

        Errors carry their place relative to the step's parameters, such as `("columns", 2)`.
        """

    @abstractmethod
    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        """Work on one batch. Columns have Arrow types (`pandas.ArrowDtype`), the index is the record number.

        Keep the index of rows that stay; declare rows that go in `context`. What comes back must have the
        columns of `columns_out`: a type that differs is cast back when no value changes, else the run fails.
        """
