"""How rows that were sent to MySQL become rows of a table: straight, merged by key, or as versions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from services.etl.columns import ColumnType
from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._moments import CLOCKS_APART, begins_later
from services.etl.destinations._mysql_history_sql import Statements
from services.etl.destinations._mysql_merge import Merge
from services.etl.destinations._mysql_replace import Replace
from services.etl.destinations._mysql_work import Into, Way, Work
from services.etl.destinations._target import Written
from services.etl.pipeline.definition import History
from services.etl.pipeline.errors import TargetUnfit

_MOMENT: Final = ColumnType("timestamptz")
_BOOLEAN: Final = ColumnType("boolean")


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
        return Into(self._work.table)

    async def finish(self, sent: int) -> Written:
        return Written(inserted=sent)


class Versions(Way):
    """Rows go into a stage; what differs from the valid version ends that one and begins a new one.

    All of a run has one moment, by the clock of the database when the rows are there.
    """

    async def examine(self, found: Mapping[str, sql.Found]) -> None:
        await super().examine(found)
        history, key = self._history, self._work.job.table.key
        for name in (history.valid_from, history.valid_to):
            self._check_filled(name, _MOMENT, "keeps times to the microsecond")
        if not found[history.valid_to].nullable:
            raise TargetUnfit(
                reason=f"its column {history.valid_to!r} must not be NULL, as it is while valid"
            )
        if history.active is not None:
            self._check_filled(history.active, _BOOLEAN, "keeps true and false")
        for names in (await self._work.unique_keys()).values():
            if set(names) <= set(key):
                said = ", ".join(names)
                raise TargetUnfit(reason=f"its unique key over {said} leaves no room for a second version")
        for name in key:
            if found[name].is_large:
                raise TargetUnfit(reason=f"its column {name!r} is {found[name].declared}, too long for a key")
        self._check_exact()

    async def begin(self) -> Into:
        self._into = await self._stage()
        return self._into

    async def finish(self, sent: int) -> Written:
        work, session = self._work, self._work.session
        work.merging()
        ((chosen,),) = await session.rows(sql.count(self._into.table))
        ((moment,),) = await session.rows("SELECT CAST(UTC_TIMESTAMP(6) AS char)")
        given = [*work.names, self._history.valid_from]
        said = Statements(
            work.table,
            self._into.table,
            self._columns,
            work.job.table.key,
            self._history,
            moment,
            kept=[name for name in given if self._found[name].is_touched],
        )
        await self._check_open(said)
        if self._history.absent == "close":
            await session.write(said.close_absent())
        unchanged = await session.write(said.drop_unchanged())
        updated = await session.write(said.close_changed())
        opened = await session.write(said.open_new())
        return Written(opened - updated, updated, unchanged, sent - chosen)

    @property
    def _history(self) -> History:
        return self._work.job.table.history or History()

    async def _check_open(self, said: Statements) -> None:
        ((versions, keys),) = await self._work.session.rows(said.valid_versions())
        if versions != keys:
            raise TargetUnfit(reason="it has more than one valid version of a row")
        ((later,),) = await self._work.session.rows(said.later_versions())
        if later:
            bound = f"SELECT CAST(UTC_TIMESTAMP(6) + INTERVAL {CLOCKS_APART.seconds} SECOND AS char)"
            ((moment,),) = await self._work.session.rows(bound)
            ((much,),) = await self._work.session.rows(replace(said, moment=moment).later_versions())
            raise begins_later(much=bool(much))

    def _check_filled(self, name: str, kind: ColumnType, wanted: str) -> None:
        from services.etl.destinations import _mysql_values

        column = self._found.get(name)
        if column is None or column.is_generated:
            raise TargetUnfit(reason=f"it has no column {name!r} that can be written")
        if not _mysql_values.keeps(column, kind):
            raise TargetUnfit(reason=f"its column {name!r} is {column.declared}, not one that {wanted}")
