from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.tables.definition import Name
from services.etl.tables.schemas import DataTableInput, DisplayName
from shared.identifiers import DataTableId, FileId, ResourceId


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class CsvOrigin(_Input):
    """The beginning of an uploaded file of delimited text."""

    kind: Literal["csv"]
    file_id: FileId
    params: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the loader that are known; the others are found out."
    )


class CatalogOrigin(_Input):
    """A table or view of the catalog."""

    kind: Literal["catalog"]
    table_id: UUID


class DataTableOrigin(_Input):
    """Another data table."""

    kind: Literal["data_table"]
    table_id: DataTableId


Origin = Annotated[CsvOrigin | CatalogOrigin | DataTableOrigin, Field(discriminator="kind")]


class SuggestTable(_Input):
    """What a data table is to be made after, and where it is to lie. Names are made up unless given."""

    origin: Origin = Field(alias="from")
    resource_id: ResourceId
    display_name: DisplayName | None = None
    schema_name: Name | None = None
    physical_name: Name | None = None


class Note(BaseModel):
    """Something that the suggestion doesn't take over as it is, or that has to be changed in it."""

    loc: list[str | int] = Field(description="The place in `table`.")
    code: str
    message: str


class Suggestion(BaseModel):
    """A data table that can be sent to be made, as it is or changed."""

    table: DataTableInput
    notes: list[Note]
    params: dict[str, Any] | None = Field(
        default=None, description="Of a file: complete parameters of its loader, for a task."
    )
