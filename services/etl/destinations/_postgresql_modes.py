"""How rows that came by COPY become rows of a table: straight, merged by key, or as versions."""

from datetime import UTC, datetime
from typing import Any

from services.etl.destinations import _postgresql_history_sql as history_sql
from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations._moments import CLOCKS_APART, begins_later
from services.etl.destinations._postgresql_replace import Replace
from services.etl.destinations._postgresql_work import Into, Way, Work
from services.etl.destinations._target import Written
from services.etl.pipeline.definition import History
from services.etl.pipeline.errors import TargetUnfit


def way_for(work: Work) -> Way:
    """The way of writing for the job's mode."""
    match work.job.table.mode:
        case "append":
            return Append(work)
        case "upsert" | "insert_only":
            return Merge(work)
        case "replace":
            return Replace(work)
        case "scd2":
            return Versions(work)


class Append(Way):
    """Rows go straight into the table."""

    async def begin(self) -> Into:
        return Into(self._work.job.table.schema_name or "public", self._work.job.table.table_name)

    async def finish(self, sent: int) -> Written:
        return Written(inserted=sent)


class Merge(Way):
    """Rows go into a stage and from there, one for each key, by INSERT ... ON CONFLICT."""

    numbered = True

    async def examine(self) -> None:
        await self._work.check_key()
        await self._work.check_rules()

    async def begin(self) -> Into:
        return await self.stage()

    async def finish(self, sent: int) -> Written:
        work, target = self._work, self._work.job.table
        work.merging()
        row = await work.row(
            sql.merge(
                work.table,
                work.names,
                target.key,
                winner=target.winner,
                uncomparable=work.uncomparable,
                keep_known=target.mode == "insert_only",
            )
        )
        chosen, inserted, updated = row["chosen"], row["inserted"], row["updated"]
        if chosen > inserted + updated:
            await work.check_merged()
        return Written(inserted, updated, chosen - inserted - updated, sent - chosen)


class Versions(Way):
    """Rows go into a stage; what differs from the valid version ends that one and begins a new one.

    All of a run has one moment, by the clock of the database when the rows are there.
    """

    numbered = True

    async def examine(self) -> None:
        work = self._work
        await work.check_rules()
        found = await work.connection.fetch(sql.COLUMNS, work.oid)
        self._naive = {row["name"]: row["type_name"] == "timestamp" for row in found}
        for row in await work.connection.fetch(sql.UNIQUE_KEYS, work.oid):
            if set(row["names"]) <= set(work.job.table.key):
                names = ", ".join(row["names"])
                raise TargetUnfit(reason=f"its unique key over {names} leaves no room for a second version")

    async def begin(self) -> Into:
        return await self.stage()

    async def finish(self, sent: int) -> Written:  # noqa: ARG002  its rows are counted one by one
        work, target = self._work, self._work.job.table
        work.merging()
        await work.lock("SHARE ROW EXCLUSIVE")
        statements = history_sql.Statements(
            work.table, work.names, target.key, self._history, work.uncomparable
        )
        deduplicated = await work.execute(sql.keep_winners(work.names, target.key, target.winner))
        await work.execute(sql.ANALYZE_STAGE)
        moment = (await work.row("SELECT pg_catalog.clock_timestamp() AS moment"))["moment"]
        await self._check_open(statements, moment)
        begun, ended = self._at(moment, self._history.valid_from), self._at(moment, self._history.valid_to)
        if self._history.absent == "close":
            await work.execute(statements.close_absent(), ended)
        unchanged = await work.execute(statements.drop_unchanged())
        updated = await work.execute(statements.close_changed(), ended)
        opened = await work.execute(statements.open_new(), begun)
        return Written(opened - updated, updated, unchanged, deduplicated)

    @property
    def _history(self) -> History:
        return self._work.job.table.history or History()

    def _at(self, moment: datetime, column: str) -> datetime:
        """The moment as the column keeps it: without a zone it is in UTC."""
        moment = moment.astimezone(UTC)
        return moment.replace(tzinfo=None) if self._naive[column] else moment

    async def _check_open(self, statements: history_sql.Statements, moment: datetime) -> None:
        row = await self._look(statements, moment)
        if row["versions"] != row["keys"]:
            raise TargetUnfit(reason="it has more than one valid version of a row")
        if row["later"]:
            raise begins_later(much=(await self._look(statements, moment + CLOCKS_APART))["later"])

    async def _look(self, statements: history_sql.Statements, moment: datetime) -> Any:
        return await self._work.row(statements.look(), self._at(moment, self._history.valid_from))
