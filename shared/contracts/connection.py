"""Connection info: what System keeps encrypted and hands to services, never to a person."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from shared.identifiers import ResourceId, TenantId

HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_:.%-]+$")]
"""A DNS name or an IP address; what asyncpg would take for a socket path or an option is refused."""

_MAX_FILE_NAME_BYTES: Final = 200
"""File systems take 255; SQLite puts `-journal` and the like behind the name."""


def _short_enough(name: str) -> str:
    if len(name.encode(errors="replace")) > _MAX_FILE_NAME_BYTES:
        raise PydanticCustomError(
            "file_name_too_long",
            "a file name has at most {limit} bytes in UTF-8",
            {"limit": _MAX_FILE_NAME_BYTES},
        )
    return name


FileName = Annotated[
    str,
    Field(min_length=1, max_length=120, pattern=r"^[\w][\w .-]*$"),
    AfterValidator(_short_enough),
]
"""A plain file name: no folder, no leading dot, at most 200 bytes in UTF-8."""


class Connection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PostgresqlConnection(Connection):
    """A PostgreSQL server and the database to start from."""

    type: Literal["postgresql"] = "postgresql"
    host: HostName = Field(description="Name or address of the server.")
    port: int = Field(default=5432, ge=1, le=65535)
    database: str = Field(default="postgres", min_length=1, max_length=63)
    user: str = Field(min_length=1, max_length=63)
    password: SecretStr = Field(default=SecretStr(""), description="Kept encrypted, never returned.")
    tls: Literal["disable", "prefer", "require", "verify-full"] = Field(
        default="prefer", description="As libpq's sslmode; verify-full checks the server's certificate."
    )


class MysqlConnection(Connection):
    """A server of MySQL or MariaDB, with all the databases that the user may see."""

    type: Literal["mysql"] = "mysql"
    host: HostName = Field(description="Name or address of the server.")
    port: int = Field(default=3306, ge=1, le=65535)
    database: str = Field(
        default="", max_length=64, description="The database that data tables go to unless they name one."
    )
    user: str = Field(min_length=1, max_length=128)
    password: SecretStr = Field(default=SecretStr(""), description="Kept encrypted, never returned.")
    tls: Literal["disable", "prefer", "require", "verify-full"] = Field(
        default="prefer", description="As libpq's sslmode; verify-full checks the server's certificate."
    )


class SqliteConnection(Connection):
    """An SQLite file in the tenant's folder below the configured root."""

    type: Literal["sqlite"] = "sqlite"
    file: FileName = Field(description="Name of the file in the tenant's folder.")
    create: bool = Field(default=False, description="Make an empty database when there is no such file.")


_NETLOC: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]+)?")
"""A name or an address, and a port (RFC 3986, 3.2)."""


def _plain_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = parts.hostname and _NETLOC.fullmatch(parts.netloc.rpartition("@")[2])
        fits = parts.scheme in {"http", "https"} and named and (parts.port is None or parts.port)
    except ValueError:
        fits = False
    if not fits:
        raise PydanticCustomError("url_invalid", "it must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("url_has_secret", "who logs in belongs into fields of its own")
    if parts.query or parts.fragment:
        raise PydanticCustomError("url_invalid", "it must end with its path")
    return url.rstrip("/")


BaseUrl = Annotated[
    str, Field(max_length=2000, pattern=r"^[!-~]+$", examples=["https://api.example.com/v1"]),
    AfterValidator(_plain_url),
]  # fmt: skip
"""Where paths of an API begin: no query, no fragment, nobody's name in it."""

RESERVED_HEADERS: Final = frozenset({
    "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "keep-alive",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that say how a message is sent (RFC 9110 and 9112): whoever sets them can hide another request."""

HeaderName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$")]
"""The name of a header (RFC 9110, 5.6.2) or of a parameter of a query."""


class HttpConnection(Connection):
    """An HTTP API: where it is and how callers prove who they are."""

    type: Literal["http"] = "http"
    base_url: BaseUrl = Field(description="What the paths of requests are added to.")
    auth: Literal["none", "basic", "bearer", "header", "query"] = Field(
        default="none",
        description="basic sends user and password, bearer the token; header and query send the token under"
        " a name of their own.",
    )
    user: str = Field(default="", max_length=200, description="For basic.")
    password: SecretStr = Field(
        default=SecretStr(""), description="For basic. Kept encrypted, never returned."
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="For bearer, header and query. Kept encrypted, never returned."
    )
    token_name: HeaderName = Field(
        default="X-API-Key", description="The header or the parameter that carries the token."
    )
    test_path: str = Field(
        default="", max_length=1000, pattern=r"^[!-~]*$", description="What a connection test asks for."
    )

    @field_validator("token_name")
    @classmethod
    def _names_a_token(cls, name: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "header" and name.lower() in RESERVED_HEADERS:
            raise PydanticCustomError(
                "header_reserved", "the header {name} can't be set here", {"name": name}
            )
        return name


class S3Connection(Connection):
    """A bucket of Amazon S3, or of a store that speaks its protocol."""

    type: Literal["s3"] = "s3"
    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    region: str = Field(default="us-east-1", min_length=1, max_length=40, pattern=r"^[a-z0-9-]+$")
    endpoint: Literal[""] | BaseUrl = Field(
        default="", description="Address of the store; Amazon's own for the region without."
    )
    path_style: bool = Field(
        default=True, description="Whether the bucket is the first part of the path or of the host's name."
    )
    prefix: str = Field(
        default="", max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$", description="What all keys begin with."
    )
    access_key: str = Field(default="", max_length=200, description="Empty for a public bucket.")
    secret_key: SecretStr = Field(default=SecretStr(""), description="Kept encrypted, never returned.")


ConnectionInfo = Annotated[
    PostgresqlConnection | MysqlConnection | SqliteConnection | HttpConnection | S3Connection,
    Field(discriminator="type"),
]

SECRET_FIELDS = ("password", "token", "secret_key")
TARGET_FIELDS = (
    "type", "host", "port", "user", "tls", "file", "base_url", "auth", "token_name", "endpoint", "bucket",
    "region", "path_style", "access_key",
)  # fmt: skip
"""Fields that decide where a stored secret is sent: changing one asks for the secret again."""


class ConnectionRequest(BaseModel):
    """A service asks for the connection info of a resource, on behalf of a tenant, and says why."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: TenantId
    purpose: Literal["scan", "run", "publish", "preview", "test"]
    subject: UUID | None = Field(default=None, description="The run, scan or data table it is for.")


class ResourceConnection(BaseModel):
    """Connection info handed out to a service: use it now, keep it in memory, never write it down."""

    resource_id: ResourceId
    tenant_id: TenantId
    tenant_folder: str = Field(description="The tenant's folder below the root of SQLite files.")
    name: str
    version: int
    connection: ConnectionInfo
    expires_at: datetime


class ResourceSummary(BaseModel):
    """A resource as other services may list it: no connection info."""

    resource_id: ResourceId
    tenant_id: TenantId
    resource_type: str
    name: str
    version: int
    deleted: bool = False
    tenant_slug: str | None = Field(default=None, description="How people call the tenant.")
