"""What a preview of a source is asked and what it answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import ColumnTypeText
from services.etl.pipeline.job import JobSource
from shared.errors import Invalid, Unavailable


class PreviewSpec(BaseModel):
    """A source to look at. Its loader's parameters are what is known of its form; the others are guessed.

    It may hold connection info: it goes to a child by its pipe and nowhere else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    source: JobSource
    rows: int = Field(default=50, ge=1, le=1000)
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
    memory_limit_mb: int = Field(default=512, ge=128)

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the loader that are fixed."""
        return self.source.params


class PreviewColumn(BaseModel):
    """A column as it was found, with the type that its values suggest and why."""

    name: str
    type: ColumnTypeText
    nullable: bool
    reason: str = Field(description="Why this type: what was seen, over how many values.")
    format: str | None = Field(default=None, description="How dates are written, where it isn't ISO 8601.")
    examples: list[str] = Field(default_factory=list, description="The first different values, shortened.")


class PreviewProblem(BaseModel):
    """Something about the source that a person should see before a task is made of it."""

    code: str
    message: str
    severity: Literal["error", "warning"]
    record: int | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None


class PreviewResult(BaseModel):
    """The beginning of a source. `params` are ready to be the loader's parameters in a task."""

    params: dict[str, Any] = Field(description="Loader parameters: those given, completed by what was found.")
    columns: list[PreviewColumn]
    rows: list[list[str | None]] = Field(
        description=(
            "First rows as text, in the order of the columns: fewer than asked for where they would be more"
            " than 6 MiB. Cells are shortened to 200 characters, the last one an ellipsis."
        )
    )
    rows_read: int = Field(description="Records looked at.")
    complete: bool = Field(description="Whether the whole file was looked at.")
    size: int
    problems: list[PreviewProblem] = Field(default_factory=list)


class PreviewRefused(Invalid):
    """The source can't be previewed: {reason}."""


class PreviewUnavailable(Unavailable):
    """The preview did not finish: {reason}."""
