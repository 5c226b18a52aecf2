"""Rows that are told apart by a key, merged into a table of MySQL out of a stage."""

from collections.abc import Mapping

from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._mysql_work import Into, Way
from services.etl.destinations._target import Written
from services.etl.pipeline.errors import TargetUnfit


class Merge(Way):
    """Rows go into a stage and from there into the table, those of known keys by UPDATE, if at all."""

    async def examine(self, found: Mapping[str, sql.Found]) -> None:
        await super().examine(found)
        key, keys = self._work.job.table.key, await self._work.unique_keys()
        if not any(set(names) == set(key) for names in keys.values()):
            raise TargetUnfit(reason=f"it has no unique key over exactly {', '.join(key)}")
        self._check_exact()

    async def begin(self) -> Into:
        self._into = await self._stage()
        return self._into

    async def finish(self, sent: int) -> Written:
        work, key, stage, updated = self._work, self._work.job.table.key, self._into.table, 0
        work.merging()
        ((chosen,),) = await work.session.rows(sql.count(stage))
        update = sql.update_changed(work.table, stage, self._columns, key)
        if update is not None and work.job.table.mode != "insert_only":
            updated = await work.session.write(update)
        inserted = await work.session.write(sql.insert_new(work.table, stage, work.names, key))
        return Written(inserted, updated, chosen - inserted - updated, sent - chosen)
