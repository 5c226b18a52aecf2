from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class AuditView(BaseModel):
    """One entry of the audit log: who did what to which object, when and from where."""

    id: UUID
    at: datetime
    action: str = Field(description="Such as resource.created or session.refused.")
    actor_kind: Literal["user", "service", "platform", "anonymous"]
    actor_id: UUID | None
    object_type: str
    object_id: UUID | None
    details: dict[str, Any] = Field(description="Facts about the action; never a secret.")
    address: str | None
    request_id: str | None
