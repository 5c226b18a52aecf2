from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.http.paging import PageQuery
from shared.identifiers import FileId

from .states import FileState


class FileInput(BaseModel):
    """A file that is going to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f/\\]+$", description="For people.")
    ]
    size: Annotated[int, Field(ge=0, description="Bytes.")]


class FileView(BaseModel):
    """An uploaded file. `received` bytes of `size` are there; the hash is known once it is ready."""

    model_config = ConfigDict(from_attributes=True)

    id: FileId
    name: str
    size: int
    received: int
    state: FileState
    sha256: str | None
    created_at: datetime
    updated_at: datetime


class FileQuery(PageQuery):
    """Which files to list, the newest first."""

    state: FileState | None = None
