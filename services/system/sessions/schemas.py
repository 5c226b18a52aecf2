from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Text = Annotated[str, Field(max_length=200)]
Secret = Annotated[SecretStr, Field(max_length=1000)]


class TokenRequest(BaseModel):
    """A token request (RFC 6749), as a form or as JSON. Which fields are needed depends on the grant."""

    model_config = ConfigDict(extra="forbid")

    grant_type: Text = Field(description="password, refresh_token or client_credentials.")
    username: Text | None = Field(default=None, description="For the grant password.")
    password: Secret | None = Field(default=None, description="For the grant password.")
    tenant: Text | None = Field(
        default=None,
        description="For the grant password: the tenant's slug. Without it the platform administrator, or a"
        " user of the installation's default tenant, logs in.",
    )
    refresh_token: Secret | None = Field(default=None, description="For the grant refresh_token.")
    client_id: Text | None = Field(
        default=None,
        description="For the grant client_credentials (or by HTTP Basic); else console or cli, optional.",
    )
    client_secret: Secret | None = Field(default=None, description="For the grant client_credentials.")
    scope: Text | None = Field(
        default=None, description="For the grant client_credentials: some of the client's scopes."
    )


class TokenResponse(BaseModel):
    """Tokens (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str | None = Field(
        default=None, description="Opaque, for one use: each refresh returns the next one."
    )
    scope: str


class RevokeRequest(BaseModel):
    """A token to revoke (RFC 7009); its whole session ends."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[SecretStr, Field(max_length=10_000)]
    token_type_hint: Text | None = None
    client_id: Text | None = None


class Jwks(BaseModel):
    """The public keys that verify access tokens (RFC 7517)."""

    keys: list[dict[str, Any]]
