"""Rules of the catalog that hold for whatever comes."""

import random
import sqlite3
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.meta.datasources.tracking import is_news
from services.meta.recording.canonical import content_hash
from services.meta.recording.changes import Known, Stat, compare, vanished
from services.meta.scanners._model import (
    FieldInfo,
    IndexInfo,
    IndexPart,
    KeyInfo,
    TableFailure,
    TableFilter,
    TableInfo,
    TablePattern,
    Unit,
)
from services.meta.scanners._sqlite_ddl import index_parts, read_table, tokens
from services.meta.scanners.postgresql import _like
from services.meta.scanners.sqlite import _glob
from services.meta.sync.states import TERMINAL, Event, Status, advance
from shared.contracts.connection import ResourceSummary
from shared.identifiers import ResourceId, TenantId

Part = TypeVar("Part")
TEXTS = st.text(st.sampled_from("ab%_*?[]\\^!.-x"), max_size=8)
NAMES = st.text("abcxyz", min_size=1, max_size=4)
FIELDS = st.lists(NAMES, unique=True, max_size=5).map(
    lambda names: tuple(
        FieldInfo(name, place, "text", "text", is_nullable=True) for place, name in enumerate(names, start=1)
    )
)
TABLES = st.builds(
    TableInfo,
    schema=st.just("s"),
    name=NAMES,
    type=st.just("table"),
    fields=FIELDS,
    keys=st.lists(st.builds(KeyInfo, name=NAMES, kind=st.just("unique"), columns=st.tuples(NAMES))).map(
        tuple
    ),
    indexes=st.lists(
        st.builds(
            IndexInfo,
            name=NAMES,
            method=st.just("btree"),
            is_unique=st.booleans(),
            is_primary=st.just(value=False),
            parts=st.tuples(st.builds(IndexPart, column=NAMES)),
        )
    ).map(tuple),
    row_count=st.none() | st.integers(0, 10),
)


@given(TEXTS, TEXTS)
def test_a_pattern_means_the_same_in_python_and_in_both_servers(pattern: str, name: str) -> None:
    expected = TablePattern(table=pattern).matches("any", name)
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = ON")
    try:
        assert bool(connection.execute("SELECT ? GLOB ?", (name, _glob(pattern))).fetchone()[0]) is expected
        like = connection.execute("SELECT ? LIKE ? ESCAPE '\\'", (name, _like(pattern))).fetchone()[0]
        assert bool(like) is expected
    finally:
        connection.close()


@given(TABLES, st.randoms(use_true_random=False))
def test_the_hash_ignores_order_and_counts_and_nothing_else(table: TableInfo, chance: random.Random) -> None:
    def shuffled(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(chance.sample(parts, len(parts)))

    same = replace(
        table,
        keys=shuffled(table.keys),
        indexes=shuffled(table.indexes),
        row_count=99,
        data_size_bytes=1,
    )
    assert content_hash(same) == content_hash(table)
    assert content_hash(replace(table, comment="new")) != content_hash(table)
    other = FieldInfo("another", len(table.fields) + 1, "text", "text", is_nullable=True)
    assert content_hash(replace(table, fields=(*table.fields, other))) != content_hash(table)


@given(st.lists(TABLES, unique_by=lambda table: table.name, max_size=6))
def test_what_was_just_stored_is_unchanged(tables: list[TableInfo]) -> None:
    known = {
        table.name: Known(
            UUID(int=place), content_hash(table), is_removed=False, scan_error=None, stat=Stat.of(table)
        )
        for place, table in enumerate(tables)
    }
    changes = compare(Unit("s", tables), known)
    assert changes.is_empty
    assert len(changes.unchanged) == len(tables)
    assert len(compare(Unit("s", tables), {}).rewrites) == len(tables)


@given(st.sets(NAMES), st.sets(NAMES), st.sets(NAMES))
def test_only_what_was_looked_for_and_not_listed_has_vanished(
    stored: set[str], listed: set[str], failing: set[str]
) -> None:
    stat = Stat(None, None, None)
    known = {
        name: Known(UUID(int=place), "h", is_removed=False, scan_error=None, stat=stat)
        for place, name in enumerate(sorted(stored))
    }
    wanted = TableFilter(exclude=(TablePattern(table="x*"),))
    gone = vanished("s", known, frozenset(listed | failing), wanted)
    names = {name for name, each in known.items() if each.table_id in gone}
    assert names == {name for name in stored - listed - failing if not name.startswith("x")}
    failures = [TableFailure("s", name, "locked") for name in sorted(failing)]
    assert {each.table_id for each in compare(Unit("s", failures=failures), known).failures} == {
        known[name].table_id for name in failing & stored
    }


@given(st.lists(st.sampled_from(Event)))
def test_a_terminal_status_never_changes(events: list[Event]) -> None:
    status, over = Status.QUEUED, False
    for event in events:
        advanced = advance(status, event)
        assert not (over and advanced is not None)
        status = advanced or status
        over = status in TERMINAL


@given(st.lists(st.integers(1, 5), min_size=1), st.randoms(use_true_random=False))
def test_news_in_any_order_and_number_end_with_the_newest(versions: list[int], chance: random.Random) -> None:
    def summary(version: int) -> ResourceSummary:
        return ResourceSummary(
            resource_id=ResourceId(UUID(int=1)),
            tenant_id=TenantId(UUID(int=2)),
            resource_type="sqlite",
            name=f"name {version}",
            version=version,
            deleted=version == 5,
        )

    known: tuple[int, bool] | None = None
    order = [*versions, *versions]
    chance.shuffle(order)
    for version in order:
        if is_news(summary(version), known):
            known = (version, version == 5)
    assert known == (max(versions), max(versions) == 5)


@given(st.text())
def test_no_text_of_a_create_statement_breaks_the_reader(sql: str) -> None:
    read_table(sql)
    index_parts(sql)
    assert all(sql[token.start : token.end] == token.text for token in tokens(sql))
