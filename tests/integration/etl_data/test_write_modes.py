"""Modes that tell rows apart or put all of them anew: the same promises on every engine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.etl.pipeline.definition import History, WriteMode
from services.etl.runner.executor import Executor
from shared.engines import mysql, postgresql, sqlite
from tests.integration.etl_data.jobs import TABLE, Jobs, columns_of, failed, succeeded

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "id,name,price,sold\n"
OLD = HEADER + "1,a,1.00,\n2,b,2.00,\n3,c,3.00,\n"
NEW = HEADER + "2,b,2.00,\n3,new,3.00,\n4,x,4.00,\n"
HISTORY = History(active="is_valid", absent="close")


@pytest.fixture(
    params=[
        "in_sqlite",
        pytest.param("in_postgres", marks=pytest.mark.postgres),
        pytest.param("in_mysql", marks=pytest.mark.mariadb),
    ],
)
def place(request: pytest.FixtureRequest) -> Jobs:
    """Jobs for a table in each engine in turn."""
    jobs: Jobs = request.getfixturevalue(request.param)
    return jobs


async def names(jobs: Jobs) -> list[tuple[Any, ...]]:
    return await jobs.table.rows(f"SELECT id, name FROM {TABLE} ORDER BY id")


async def test_insert_only_leaves_known_keys_alone(place: Jobs, warm: Executor) -> None:
    await succeeded(warm, place.job(OLD))
    outcome = await succeeded(warm, place.job(NEW + "4,y,5.00,\n", mode="insert_only"))
    counts = outcome.counts
    assert (counts.inserted, counts.updated, counts.unchanged, counts.deduplicated) == (1, 0, 2, 1)
    assert await names(place) == [(1, "a"), (2, "b"), (3, "c"), (4, "y")]


async def test_a_replacement_holds_the_new_rows_and_no_others(place: Jobs, warm: Executor) -> None:
    await succeeded(warm, place.job(OLD))
    for _ in range(2):
        outcome = await succeeded(warm, place.job(NEW, mode="replace"))
        assert (outcome.counts.written, outcome.counts.rejected) == (3, 0)
        assert await names(place) == [(2, "b"), (3, "new"), (4, "x")]


async def test_a_replacement_by_nothing_leaves_an_empty_table(place: Jobs, warm: Executor) -> None:
    await succeeded(warm, place.job(OLD))
    await succeeded(warm, place.job(HEADER, mode="replace"))
    assert await names(place) == []


async def test_a_replacement_with_one_key_twice_leaves_the_old_rows(place: Jobs, warm: Executor) -> None:
    await succeeded(warm, place.job(OLD))
    outcome = await failed(warm, place.job(NEW + "2,again,1.00,\n", mode="replace"))
    assert (outcome.code, outcome.transient) == ("target_refused", False)
    assert "key of another one" in outcome.message
    assert await names(place) == [(1, "a"), (2, "b"), (3, "c")]


async def test_a_replacement_that_is_delivered_twice_is_done_once(place: Jobs, warm: Executor) -> None:
    job = place.job(NEW, mode="replace")
    await succeeded(warm, job)
    await succeeded(warm, place.job(HEADER + "9,later,1.00,\n"))
    again = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": 9}))
    assert again.adopted
    assert [row[0] for row in await names(place)] == [2, 3, 4, 9]


async def test_a_replacement_keeps_children_whose_parents_stay(place: Jobs, warm: Executor) -> None:
    """A plain DELETE would take every child along, for a moment that is never seen: and for good."""
    await succeeded(warm, place.job(OLD))
    await place.table.execute(
        f"CREATE TABLE part (goods bigint REFERENCES {TABLE} (id) ON DELETE CASCADE, name text)"
    )
    await place.table.execute("INSERT INTO part VALUES (1, 'goes'), (2, 'stays'), (3, 'stays too')")
    outcome = await succeeded(warm, place.job(NEW, mode="replace"))
    counts = outcome.counts
    assert (counts.inserted, counts.updated, counts.unchanged) == (1, 1, 1)
    assert await place.table.rows("SELECT goods FROM part ORDER BY goods") == [(2,), (3,)]
    assert await names(place) == [(2, "b"), (3, "new"), (4, "x")]


class TestVersions:
    """Slowly changing dimensions of type 2."""

    @pytest.fixture
    async def versions(self, place: Jobs) -> Jobs:
        kinds = place.types
        await place.table.execute(f"DROP TABLE {TABLE}")
        more = {"valid_from": "timestamptz", "valid_to": "timestamptz", "is_valid": "boolean"}
        place.types = {**kinds, **more}
        await place.table.create(
            columns_of(place.types, required=["id", "valid_from"]), key=["id", "valid_from"]
        )
        return place

    def job(self, jobs: Jobs, content: str, history: History = HISTORY, **facts: Any) -> Any:
        declared = [{"name": name, "type": jobs.types[name]} for name in HEADER.strip().split(",")]
        target = columns_of(jobs.types, required=["id", "valid_from"])
        source = {"columns": declared}
        return jobs.job(content, mode="scd2", history=history, target=target, source=source, **facts)

    async def rows(self, jobs: Jobs) -> list[tuple[Any, ...]]:
        return await jobs.table.rows(
            f"SELECT id, name, valid_to IS NULL, is_valid FROM {TABLE} ORDER BY id, valid_from"
        )

    async def test_changed_rows_get_a_new_version_and_unchanged_ones_stay(
        self, versions: Jobs, warm: Executor
    ) -> None:
        first = await succeeded(warm, self.job(versions, OLD))
        assert (first.counts.inserted, first.counts.written) == (3, 3)
        before = await versions.table.rows(f"SELECT valid_from FROM {TABLE} WHERE id = 2")
        outcome = await succeeded(warm, self.job(versions, NEW + "4,y,5.00,\n"))
        counts = outcome.counts
        assert (counts.inserted, counts.updated, counts.unchanged, counts.deduplicated) == (1, 1, 1, 1)
        assert await self.rows(versions) == [
            (1, "a", False, False), (2, "b", True, True), (3, "c", False, False),
            (3, "new", True, True), (4, "y", True, True),
        ]  # fmt: skip
        assert await versions.table.rows(f"SELECT valid_from FROM {TABLE} WHERE id = 2") == before

    async def test_all_of_a_run_has_one_moment(self, versions: Jobs, warm: Executor) -> None:
        await succeeded(warm, self.job(versions, OLD))
        await succeeded(warm, self.job(versions, NEW))
        moments = await versions.table.rows(
            f"SELECT DISTINCT coalesce(valid_to, valid_from) FROM {TABLE} WHERE id IN (1, 3, 4)"
        )
        assert len(moments) == 1
        ((found,),) = moments
        moment = found if isinstance(found, datetime) else datetime.fromisoformat(found)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        assert abs((datetime.now(UTC) - moment).total_seconds()) < 60

    async def test_keys_that_are_absent_stay_valid_unless_told_otherwise(
        self, versions: Jobs, warm: Executor
    ) -> None:
        keep = History(active="is_valid")
        await succeeded(warm, self.job(versions, OLD, keep))
        await succeeded(warm, self.job(versions, NEW, keep))
        assert (1, "a", True, True) in await self.rows(versions)

    async def test_a_null_that_stays_is_no_change(self, versions: Jobs, warm: Executor) -> None:
        content = HEADER + "1,,,\n"
        for unchanged in (0, 1):
            outcome = await succeeded(warm, self.job(versions, content))
            assert outcome.counts.unchanged == unchanged
        assert len(await self.rows(versions)) == 1

    async def test_a_key_that_comes_back_begins_anew(self, versions: Jobs, warm: Executor) -> None:
        for content in (OLD, NEW, OLD):
            await succeeded(warm, self.job(versions, content))
        found = [row[2] for row in await self.rows(versions) if row[0] == 1]
        assert found == [False, True]

    async def test_a_run_that_is_delivered_twice_makes_one_version(
        self, versions: Jobs, warm: Executor
    ) -> None:
        job = self.job(versions, OLD)
        await succeeded(warm, job)
        again = await succeeded(warm, job.model_copy(update={"attempt": 2, "fence": 9}))
        assert again.adopted
        assert len(await self.rows(versions)) == 3

    async def test_a_version_from_the_future_is_not_closed_before_it_begins(
        self, versions: Jobs, warm: Executor
    ) -> None:
        await succeeded(warm, self.job(versions, OLD))
        later = "2999-01-01 00:00:00.000000"
        await versions.table.execute(f"UPDATE {TABLE} SET valid_from = '{later}' WHERE id = 3")
        outcome = await failed(warm, self.job(versions, NEW))
        assert (outcome.code, outcome.transient) == ("target_unfit", False)
        assert "begins later than now" in outcome.message

    async def test_a_version_from_a_clock_that_is_ahead_is_waited_for(
        self, versions: Jobs, warm: Executor
    ) -> None:
        """A clock that was set back by seconds is no reason to give up."""
        await succeeded(warm, self.job(versions, OLD))
        soon = (datetime.now(UTC) + timedelta(seconds=40)).strftime("%Y-%m-%d %H:%M:%S.%f")
        await versions.table.execute(f"UPDATE {TABLE} SET valid_from = '{soon}' WHERE id = 3")
        outcome = await failed(warm, self.job(versions, NEW))
        assert (outcome.code, outcome.transient) == ("target_busy", True)

    async def test_two_valid_versions_of_one_key_are_refused(self, versions: Jobs, warm: Executor) -> None:
        await succeeded(warm, self.job(versions, OLD))
        await versions.table.execute(
            f"INSERT INTO {TABLE} (id, name, valid_from) VALUES (3, 'other', '2001-01-01 00:00:00.000000')"
        )
        outcome = await failed(warm, self.job(versions, NEW))
        assert outcome.code == "target_unfit"
        assert "more than one valid version" in outcome.message

    @pytest.mark.parametrize(
        ("index", "sentence"), [("(id)", "no room for a second version"), ("(id, name)", None)]
    )
    async def test_a_key_without_room_for_versions_is_refused_before_anything_is_read(
        self, versions: Jobs, warm: Executor, index: str, sentence: str | None
    ) -> None:
        await versions.table.execute(f"CREATE UNIQUE INDEX narrow ON {TABLE} {index}")
        job = self.job(versions, OLD)
        if sentence is None:
            await succeeded(warm, job)
        else:
            outcome = await failed(warm, job)
            assert outcome.code == "target_unfit"
            assert sentence in outcome.message


async def test_the_cursor_of_a_stream_lies_beside_its_rows(place: Jobs, warm: Executor) -> None:
    """A file has no cursor: the table of cursors is there and stays empty."""
    await succeeded(warm, place.job(OLD, stream="task"))
    assert await place.table.rows("SELECT * FROM _penstock_cursor") == []


ODD = (
    "select", "t", "s", "excluded", "merged", "inserted", "rowid", "_rowid_", "oid", "_penstock_row", "new",
    "b`ack", 'do"uble', "per%cent %s", "bra{}ce", "back\\slash", "$1", "名",
)  # fmt: skip


ENGINES = {"SqliteTable": sqlite, "PostgresTable": postgresql, "MariaTable": mysql}
MOMENTS = {postgresql: "timestamptz", mysql: "datetime(6)"}


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace", "scd2"])
async def test_names_of_columns_mean_nothing(place: Jobs, warm: Executor, mode: WriteMode) -> None:
    """Words of SQL, names that statements of ours give, signs that quote: all are only names."""
    scd2 = mode == "scd2"
    odd = list(ODD)
    history = History(valid_from="valid_from", valid_to="valid_to") if scd2 else None
    times = {"valid_from": "timestamptz", "valid_to": "timestamptz"} if scd2 else {}
    kinds = dict.fromkeys(odd, "int64")
    await place.table.execute(f"DROP TABLE {TABLE}")
    columns = columns_of({**kinds, **times}, required=["select", "t"])
    engine: Any = ENGINES[type(place.table).__name__]
    spelled = [f"{engine.quote(name)} bigint" for name in odd]
    spelled += [f"{name} {MOMENTS.get(engine, 'TEXT')} NULL" for name in times]
    spelled += [] if scd2 else [f"PRIMARY KEY ({engine.quote('select')}, t)"]
    await place.table.execute(f"CREATE TABLE {TABLE} ({', '.join(spelled)})")
    place.types = kinds
    header = ",".join('"' + name.replace('"', '""') + '"' for name in odd)
    for number in (1, 2):
        first = number if mode == "append" else 1
        content = f"{header}\n{first}" + f",{number}" * (len(odd) - 1) + "\n"
        if mode != "append":
            content = f"{header}\n1,1" + f",{number}" * (len(odd) - 2) + "\n"
        job = place.job(content, mode=mode, key=["select", "t"], history=history, target=columns)
        await succeeded(warm, job)
    rows = await place.table.rows(f"SELECT * FROM {TABLE}")
    expected = {"append": [1, 2], "insert_only": [1], "scd2": [1, 2]}.get(mode, [2])
    assert sorted(row[len(odd) - 1] for row in rows) == expected
