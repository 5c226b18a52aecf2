from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class RejectedRow(BaseModel):
    """A row that a step does not let through, and why."""

    record: int = Field(description="Number of the record in its file; the first after the header is 1.")
    line: int | None = Field(default=None, description="Line of the file where the record starts.")
    column: str | None = None
    value: str | None = Field(default=None, description="The value, cut when it is long.")
    expected: str | None = None
    code: str
    reason: str
    step: str
    file: str | None = Field(default=None, description="The file of the record, where there are several.")
    raw: str | None = Field(default=None, description="The record as it came, cut when it is long.")


class RejectView(RejectedRow):
    """A row that was not loaded, and why."""

    attempt: int


class Form(StrEnum):
    """What a download is written as."""

    NDJSON = "ndjson"
    CSV = "csv"


class DownloadQuery(BaseModel):
    """How rejected rows are downloaded."""

    model_config = ConfigDict(extra="forbid")

    form: Form = Field(default=Form.NDJSON, description="A JSON object in each line, or CSV with a header.")
