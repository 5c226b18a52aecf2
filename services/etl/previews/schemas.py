from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.etl.pipeline.definition import SourceConfig, StepConfig, StepName
from shared.identifiers import FileId


class PreviewSource(BaseModel):
    """A source to look at before a task is made of it."""

    model_config = ConfigDict(extra="forbid")

    file_id: FileId | None = Field(
        default=None, description="The file, where the source is one: the same as the loader's `file_id`."
    )
    loader: StepName = "csv"
    params: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "Parameters of the loader that are known; the others are found out. `file_id`, `pattern` or"
            " `resource_id` says what is looked at."
        ),
    )
    rows: int = Field(default=50, ge=1, le=1000, description="How many rows to show.")

    def known(self) -> dict[str, Any]:
        """The parameters with the file among them."""
        return self.params if self.file_id is None else {**self.params, "file_id": str(self.file_id)}


class PreviewPipeline(BaseModel):
    """A pipeline to try on the first rows of its source. Its last step may be the destination, or not yet."""

    model_config = ConfigDict(extra="forbid")

    source: SourceConfig
    steps: list[StepConfig] = Field(default_factory=list, max_length=50)
    upto: int | None = Field(
        default=None, ge=-1, le=49, description="The last step to try, from 0; -1 for the source alone."
    )
    rows: int = Field(default=50, ge=1, le=1000, description="How many records of the source to take.")

    def tried(self) -> list[StepConfig]:
        """The steps up to the last one that is wanted."""
        return self.steps if self.upto is None else self.steps[: self.upto + 1]
