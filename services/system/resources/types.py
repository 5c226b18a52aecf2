"""The types of resources, as their connection models describe them."""

from typing import Any

from shared.http.paging import Page

from .connections import TYPES, AnyConnection
from .errors import ResourceTypeUnknown
from .schemas import ResourceTypeView

_TITLES = {
    "postgresql": "PostgreSQL",
    "mysql": "MySQL or MariaDB",
    "sqlite": "SQLite",
    "http": "HTTP API",
    "s3": "Amazon S3",
}


def all_types() -> Page[ResourceTypeView]:
    return Page(items=[_view(name, model) for name, model in TYPES.items()])


def one_type(name: str) -> ResourceTypeView:
    """Raises ResourceTypeUnknown."""
    if name not in TYPES:
        raise ResourceTypeUnknown(name=name[:40])
    return _view(name, TYPES[name])


def _view(name: str, model: type[AnyConnection]) -> ResourceTypeView:
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= model.model_json_schema(mode="validation")
    return ResourceTypeView(
        name=name,
        title=_TITLES.get(name, name),
        summary=(model.__doc__ or "").strip(),
        connection_schema=schema,
    )
