"""What it means that a version of a row begins later than now."""

from datetime import timedelta
from typing import Final

from services.etl.pipeline.errors import TargetBusy, TargetUnfit

CLOCKS_APART: Final = timedelta(minutes=1)
"""So far a clock may have been set back, or be behind that of another machine: time makes up for it."""


def begins_later(*, much: bool) -> TargetBusy | TargetUnfit:
    """The error for a version that begins later than now, by `much` more than clocks are apart or not."""
    if much:
        return TargetUnfit(reason="it has a valid version that begins later than now")
    return TargetBusy(reason="it has a valid version that begins a little later than now, as clocks differ")
