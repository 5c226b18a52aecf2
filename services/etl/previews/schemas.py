from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.etl.pipeline.definition import StepName
from shared.identifiers import FileId


class PreviewSource(BaseModel):
    """A source to look at before a task is made of it."""

    model_config = ConfigDict(extra="forbid")

    file_id: FileId
    loader: StepName = "csv"
    params: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the loader that are known; the others are found out."
    )
    rows: int = Field(default=50, ge=1, le=1000, description="How many rows to show.")
