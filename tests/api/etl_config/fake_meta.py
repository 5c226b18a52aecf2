"""Meta as the ETL service sees it: tables and datasources of a catalog, in Meta's own words."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from services.meta.catalog.schemas import FieldView, TableDetail
from services.meta.datasources.schemas import DatasourceView
from shared.identifiers import DatasourceId, ResourceId, uuid7

PREFIX = "/api/meta/v1"
_MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass
class FakeMeta:
    """What tests put in is shown to whoever has the token; `status` is answered instead if it is set."""

    tables: dict[str, TableDetail] = field(default_factory=dict)
    datasources: dict[str, DatasourceView] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    status: int | None = None

    def serve(self, app: web.Application) -> None:
        app.router.add_get(f"{PREFIX}/tables/{{id}}", self._table)
        app.router.add_get(f"{PREFIX}/datasources/{{id}}", self._datasource)

    def table(
        self,
        name: str,
        columns: list[dict[str, Any]],
        *,
        resource_id: str,
        resource_type: str = "sqlite",
        **more: Any,
    ) -> str:
        """A table of a datasource of its own; columns as `name`, `column_type` and what else is told."""
        source = _datasource(resource_id, resource_type)
        table_id = uuid7()
        detail = {
            "id": table_id,
            "datasource_id": source.id,
            "database_id": uuid7(),
            "schema": "main",
            "name": name,
            "type": "table",
            "field_count": len(columns),
            "is_readable": True,
            "database": "main",
            "fields": [_field(table_id, place, one) for place, one in enumerate(columns, start=1)],
            "keys": [],
            "indexes": [],
            "constraints": [],
        }
        nothing = dict.fromkeys(TableDetail.model_fields.keys() - detail.keys() - {"schema_name"})
        self.datasources[str(source.id)] = source
        self.tables[str(table_id)] = TableDetail.model_validate(nothing | detail | more)
        return str(table_id)

    async def _table(self, request: web.Request) -> web.Response:
        return self._answer(request, self.tables)

    async def _datasource(self, request: web.Request) -> web.Response:
        return self._answer(request, self.datasources)

    def _answer(self, request: web.Request, known: dict[str, Any]) -> web.Response:
        self.tokens.append(request.headers["Authorization"])
        found = known.get(request.match_info["id"])
        if self.status is not None or found is None:
            return web.json_response({}, status=self.status or 404)
        return web.Response(text=found.model_dump_json(by_alias=True), content_type="application/json")


def _datasource(resource_id: str, resource_type: str) -> DatasourceView:
    return DatasourceView(
        id=DatasourceId(uuid7()),
        resource_id=ResourceId(UUID(resource_id)),
        resource_type=resource_type,
        name="shop",
        is_scannable=True,
        active_sync_log_id=None,
        last_sync_at=None,
        last_scan_at=None,
        removed_at=None,
        created_at=_MOMENT,
        updated_at=_MOMENT,
    )


def _field(table_id: UUID, position: int, given: dict[str, Any]) -> FieldView:
    facts: dict[str, Any] = {
        "id": uuid7(),
        "table_id": table_id,
        "position": position,
        "data_type": given["column_type"].partition("(")[0],
        "is_nullable": True,
    }
    nothing = dict.fromkeys(FieldView.model_fields)
    return FieldView.model_validate(nothing | facts | given)
