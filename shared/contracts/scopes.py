"""Scopes: what a token allows, and which role carries which scopes."""

from collections.abc import Mapping
from typing import Final

SCOPES: Final[Mapping[str, str]] = {
    "tenant:read": "See tenants.",
    "tenant:write": "Create and change tenants.",
    "user:read": "See the users of the tenant.",
    "user:write": "Create and change users of the tenant.",
    "resource:read": "See resources, without their secrets.",
    "resource:write": "Create and change resources.",
    "resource:test": "Test connections.",
    "resource:connect": "Receive connection info with secrets. For services only.",
    "session:check": "Learn which sessions were revoked. For services only.",
    "audit:read": "Read the audit log.",
    "catalog:read": "See datasources, databases, tables and fields.",
    "catalog:scan": "Start and cancel syncs and scans.",
    "file:read": "See and preview files.",
    "file:write": "Upload and delete files.",
    "table:read": "See data tables and their plans.",
    "table:write": "Create and change data tables.",
    "table:publish": "Publish data tables: run their DDL.",
    "task:read": "See tasks.",
    "task:write": "Create and change tasks.",
    "run:read": "See runs, their events and rejected rows.",
    "run:write": "Start, retry and cancel runs.",
}

_VIEW = ("user:read", "resource:read", "catalog:read", "file:read", "table:read", "task:read", "run:read")
_OPERATE = (*_VIEW, "resource:test", "catalog:scan", "run:write", "file:write")
_EDIT = (*_OPERATE, "resource:write", "table:write", "table:publish", "task:write")
_ADMINISTER = (*_EDIT, "user:write", "audit:read")

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "viewer": _VIEW,
    "operator": _OPERATE,
    "editor": _EDIT,
    "admin": _ADMINISTER,
    "owner": _ADMINISTER,
    "platform": ("tenant:read", "tenant:write", "user:read", "user:write", "audit:read"),
}
"""Roles of people. `platform` is the administrator of the installation: no tenant, and no data."""

SERVICE_SCOPES: Final[tuple[str, ...]] = ("resource:connect", "session:check")
