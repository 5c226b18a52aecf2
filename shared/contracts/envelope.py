"""The message envelope: CloudEvents 1.0 in structured JSON, at most 64 KiB; ids, never data or secrets."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared import clock
from shared.identifiers import uuid7


class Envelope(BaseModel):
    """One message. Its `id` is the outbox row's id: a message sent twice has one id."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: UUID = Field(default_factory=uuid7)
    source: str
    type: str
    subject: str
    time: datetime = Field(default_factory=clock.now)
    datacontenttype: Literal["application/json"] = "application/json"
    tenantid: UUID | None = None
    traceparent: str | None = None
    schemamajor: int = 1
    schemaminor: int = 0
    data: dict[str, Any]
