"""The base of destination steps: the last step of a pipeline."""

from abc import ABC, abstractmethod
from typing import ClassVar

from services.etl.columns import Columns
from services.etl.pipeline.definition import TargetTable
from services.etl.pipeline.step import Step


class DestinationStep(Step, ABC):
    """Takes the rows at the end of a pipeline. What it writes to is an engine's business."""

    kind: ClassVar[str] = "destination"

    @abstractmethod
    def check(self, columns: Columns, target: TargetTable | None) -> None:
        """Check that these columns can be written. Errors carry places in the parameters.

        `target` is the table of a step that fills one, as soon as it is known.
        """

    @property
    @abstractmethod
    def replaces_all(self) -> bool:
        """Whether what one run writes is all that stands there afterwards."""
