"""The messages that services send each other: the `data` of an envelope, one class for each type."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.identifiers import ResourceId, RunId, TenantId, UserId


class Message(BaseModel):
    """The data of an envelope; `type` is the envelope's type."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: ClassVar[str]


class ResourceChanged(Message):
    """A resource was created, changed or deleted in System."""

    type: ClassVar[str] = "io.penstock.resource.changed.v1"

    tenant_id: TenantId
    resource_id: ResourceId
    resource_type: str
    name: str
    change: Literal["created", "updated", "deleted"]
    version: int


class SessionRevoked(Message):
    """A login session ended before its tokens did."""

    type: ClassVar[str] = "io.penstock.session.revoked.v1"

    session_id: str
    user_id: UserId | None = None


class RunRequested(Message):
    """A run waits for a runner. The row in the ETL database is the run; this only wakes."""

    type: ClassVar[str] = "io.penstock.run.requested.v1"

    tenant_id: TenantId
    run_id: RunId


class ScanRequested(Message):
    """A sync or scan waits in Meta. The sync log row is the scan; this only wakes."""

    type: ClassVar[str] = "io.penstock.scan.requested.v1"

    tenant_id: TenantId
    sync_log_id: UUID


class RunsHinted(Message):
    """There is something new about these runs in the ETL database, or somebody asked for their end.

    Said by a process that committed it to all others; it only makes them look sooner.
    """

    type: ClassVar[str] = "io.penstock.run.hinted.v1"

    sender: UUID
    news: tuple[RunId, ...] = ()
    cancels: tuple[RunId, ...] = ()
