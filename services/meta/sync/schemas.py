from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.meta.scanners._model import TableFilter, TablePattern
from services.meta.sync.states import Status
from shared.http.paging import PageQuery
from shared.identifiers import DatasourceId

MAX_SEQ: Final = 2**31 - 1
"""The highest number of an event."""

SyncType = Literal["auto", "manual", "deep"]
SyncLevel = Literal["database", "table", "field"]
Pattern = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
DatabaseName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TablePatternInput(Input):
    """Tables by patterns: `*` stands for any characters, `?` for one. The case matters."""

    schema_pattern: Pattern = Field(default="*", alias="schema", description="Pattern for the schema.")
    table: Pattern = Field(default="*", description="Pattern for the name of the table.")

    def pattern(self) -> TablePattern:
        return TablePattern(self.schema_pattern, self.table)


class ScanRequest(Input):
    """What to scan: nothing given means every database that may be entered, with all its tables."""

    databases: list[DatabaseName] | None = Field(
        default=None, min_length=1, max_length=500, description="Names as the sync of level 1 found them."
    )
    include: list[TablePatternInput] = Field(default_factory=list, max_length=100)
    exclude: list[TablePatternInput] = Field(default_factory=list, max_length=100)

    def filter(self) -> TableFilter:
        return TableFilter(
            tuple(each.pattern() for each in self.include), tuple(each.pattern() for each in self.exclude)
        )


class ObjectFailure(BaseModel):
    """An object that could not be read; without a table it is a schema, without both a database."""

    database: str
    schema_name: str | None = Field(default=None, alias="schema", serialization_alias="schema")
    table: str | None = None
    reason: str


class SyncLogView(BaseModel):
    """One sync or scan of a datasource. Times in UTC, the duration in milliseconds."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    datasource_id: DatasourceId
    sync_type: SyncType = Field(description="auto: by Penstock; manual: level 1 on demand; deep: level 2.")
    sync_level: SyncLevel
    target: dict[str, object]
    status: Status
    attempt: int
    requested_by: UUID | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    cancel_requested_at: datetime | None
    databases_scanned: int
    tables_scanned: int
    fields_scanned: int
    tables_changed: int
    tables_removed: int
    error: str | None
    error_code: str | None
    failure_count: int


class SyncLogDetail(SyncLogView):
    """A sync log with the objects that could not be read: the first ones of them."""

    failures: list[ObjectFailure]


class SyncEventView(BaseModel):
    """One entry of a sync log's history: queued, started, progress, failure, requeued, finished, ..."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    type: str
    at: datetime
    data: dict[str, Any]


class SyncEventQuery(PageQuery):
    """Which events to list, in their order."""

    after: int = Field(default=0, ge=0, le=MAX_SEQ, description="Only events with a higher number.")


class SyncLogQuery(PageQuery):
    """Sync logs, the newest first."""

    datasource_id: DatasourceId | None = None
    status: Status | None = None
    sync_type: SyncType | None = None
