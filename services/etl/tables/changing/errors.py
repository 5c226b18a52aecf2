from collections.abc import Mapping
from typing import Any

from shared.errors import Conflict, NotFound, Transient


class ChangeUnknown(NotFound):
    """There is no change {change_id} of this data table."""


class TableIsChanging(Conflict):
    """The change {change_id} of this data table isn't over yet; wait for it."""

    def problem_members(self) -> Mapping[str, Any]:
        """The change's id, for programs."""
        return {"change_id": str(self.facts["change_id"])}


class TableHasRun(Conflict):
    """Run {run_id} is at work on this data table; wait for it or cancel it first."""

    def problem_members(self) -> Mapping[str, Any]:
        """The run's id, for programs."""
        return {"run_id": str(self.facts["run_id"])}


class TableHeld(Transient):
    """The data table {table} is being changed just now."""
