"""A data table through the HTTP API of the service, in the place of a publisher at the target."""

from typing import Any
from uuid import UUID

from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects import Check, Finding, Sql, Statement
from services.etl.tables.errors import ChecksFailed
from services.etl.tables.physical import Place, Sight
from services.etl.tables.plans.plan import Plan
from shared.errors import Fault
from tests.api.etl_config.house import House

from .databases import Database

REFUSED = {"checks_failed", "plan_impossible"}


class ServedTable:
    """One data table; what is asked and answered is turned into what the service works with."""

    def __init__(self, house: House, database: Database, at: tuple[Location, TableDefinition]) -> None:
        self.house = house
        self.database = database
        self.place, self.definition = at
        self.table: Any = None
        self.ids: dict[UUID, str] = {}
        self.confirm: str | None = None

    async def publish(self) -> None:
        """Make a draft and publish it."""
        resource = await self.house.system.create(
            self.house.tenant, self.database.resource.connection, told=False
        )
        body = {"display_name": "A table", "resource_id": str(resource), **self._body()}
        self.table = (await self.house.call("POST", "/data-tables", body=body, expect=201)).body
        self._remember()
        await self.house.publish(self.table)

    def edit(self, location: Location, definition: TableDefinition) -> None:
        """Configure it otherwise, with the next plan."""
        self.place, self.definition = location, definition

    async def plan(self) -> tuple[Plan, tuple[Finding, ...]]:
        """Save what was edited, and ask for the plan."""
        path = f"/data-tables/{self.table['id']}"
        version = (await self.house.call("GET", path, expect=200)).body["version"]
        await self._patch(path, version)
        found = await self.house.plan(self.table)
        self.confirm = found["confirm"]
        statements = tuple(
            Statement(Sql(one["sql"]), one["risk"], one["reason"], one["lock"]) for one in found["statements"]
        )
        faults = tuple(Fault(tuple(one["loc"]), one["code"], one["message"]) for one in found["faults"])
        return Plan(found["kind"], statements, found["plan_hash"], faults=faults), _findings(found["checks"])

    async def apply(self, plan_hash: str) -> Sight:
        """Apply the plan that was shown. Raises ChecksFailed when it is refused for its rows."""
        body = {"plan_hash": plan_hash, "confirm": self.confirm}
        answer = await self.house.call("POST", f"/data-tables/{self.table['id']}/apply", body=body)
        if answer.status == 409 and answer.body["code"] in REFUSED:
            raise ChecksFailed
        assert (answer.status, answer.body["sync_state"]) == (200, "synced"), answer
        place = Place(UUID(self.table["id"]), self.place, (self.place.name,))
        return (await self.database.target.examine(place, lambda _: ())).sight

    async def _patch(self, path: str, version: int) -> None:
        answer = await self.house.call("PATCH", path, body=self._body(), version=version, expect=200)
        self.table = answer.body
        self._remember()

    def _remember(self) -> None:
        served = {column["name"]: column["id"] for column in self.table["columns"]}
        self.ids = {column.id: served[column.name] for column in self.definition.columns}

    def _body(self) -> dict[str, Any]:
        data = self.definition.model_dump(mode="json")
        data["columns"] = [self._column(column) for column in self.definition.columns]
        return {**data, "schema_name": self.place.schema, "physical_name": self.place.name}

    def _column(self, column: ColumnDefinition) -> dict[str, Any]:
        return {**column.model_dump(mode="json"), "id": self.ids.get(column.id)}


def _findings(checks: list[Any]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            Check(
                tuple(one["loc"]), one["code"], one["message"].replace("{", "{{").replace("}", "}}"), Sql("")
            ),
            one["rows"],
            tuple(one["samples"]),
        )
        for one in checks
    )
