from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, StringConstraints, field_serializer

from shared.contracts.connection import ConnectionInfo, ResourceConnection
from shared.identifiers import ResourceId

ResourceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=120, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
"""A name people give: no control characters; blanks at its ends are cut off."""

Description = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
SecretStateName = Literal["set", "unset", "unreadable"]


class ResourceInput(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ResourceCreate(ResourceInput):
    """A resource to register."""

    name: ResourceName
    description: Description = ""
    connection: ConnectionInfo


class ResourceChange(ResourceInput):
    """What to change of a resource; what is absent stays as it is."""

    name: ResourceName | None = None
    description: Description | None = None
    connection: dict[str, JsonValue] | None = Field(
        default=None,
        description="Fields of the connection to change. An absent field stays, a secret that is null is"
        " cleared. To change where the connection leads, give its secret again.",
    )


class ConnectionTest(ResourceInput):
    """A connection to try that is not saved."""

    connection: ConnectionInfo


class SavedConnectionTest(ResourceInput):
    """Changes to try on a saved connection, by the rules of changing a resource; empty to try it as it is."""

    connection: dict[str, JsonValue] = Field(default_factory=dict)


class SecretState(BaseModel):
    """What may be known of a secret: whether it is set, and whether the service can still read it."""

    state: SecretStateName
    updated_at: datetime | None = None


class ResourceView(BaseModel):
    """A resource as people see it: its connection without the secrets."""

    id: ResourceId
    name: str
    description: str
    type: str
    connection: dict[str, Any] = Field(description="In the form of the resource type, without its secrets.")
    secrets: dict[str, SecretState]
    version: int
    created_at: datetime
    updated_at: datetime


class ResourceTypeView(BaseModel):
    """A type of resource and the form of its connection."""

    name: str
    title: str
    summary: str
    connection_schema: dict[str, Any] = Field(description="JSON Schema 2020-12; secrets are writeOnly.")


class ReportStep(BaseModel):
    """One step of a connection test."""

    name: str = Field(description="resolve, connect, tls, authenticate, database, privileges, or file.")
    ok: bool
    duration_ms: float
    detail: str
    hint: str


class ConnectionReport(BaseModel):
    """How far a connection test came."""

    ok: bool
    steps: list[ReportStep]


class HandedOut(ResourceConnection):
    """Connection info on its way to a service: the one model whose JSON holds secrets in clear."""

    @field_serializer("connection", when_used="json")
    def in_clear(self, connection: BaseModel) -> dict[str, Any]:
        values = connection.model_dump(mode="python")
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in values.items()
        }
