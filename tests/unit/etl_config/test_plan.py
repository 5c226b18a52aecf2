from collections.abc import Callable
from dataclasses import replace

import pytest

from services.etl.tables import plan as planning
from services.etl.tables.definition import TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.errors import PublishedTableFixed, TableDrifted, TableOccupied
from services.etl.tables.physical import Mark, Physical, PhysicalColumn, PhysicalIndex, Sight
from services.etl.tables.wanted import Revision, Wanted

from .making import PLACE, TABLE_ID, column, flights, key

POSTGRESQL = DIALECTS["postgresql"]
NOTHING = Sight(None, None)
SURPRISE = PhysicalColumn("x", "text", nullable=True)


def physical(definition: TableDefinition) -> Physical:
    """The table that publishing this definition comes to."""
    return Physical(
        kind="table",
        columns=tuple(
            PhysicalColumn(
                one.name,
                POSTGRESQL.type_name(one.type),
                one.nullable,
                default=None if one.default is None else "something",
                comment=one.comment,
            )
            for one in definition.columns
        ),
        primary_key=tuple(definition.primary_key),
        indexes=tuple(
            [PhysicalIndex(one.name, tuple(one.columns), unique=True) for one in definition.unique_keys]
            + [PhysicalIndex(one.name, tuple(one.columns), unique=False) for one in definition.indexes]
        ),
        comment=definition.comment,
    )


def draft(definition: TableDefinition, *, revision: int = 1) -> Wanted:
    return Wanted(TABLE_ID, PLACE, revision, definition, None, {})


def published(before: TableDefinition, after: TableDefinition) -> Wanted:
    return Wanted(TABLE_ID, PLACE, 2, after, Revision(1, before, physical(before)), {})


def mark(definition: TableDefinition, revision: int) -> Mark:
    return Mark(TABLE_ID, revision, definition.fingerprint())


def test_a_draft_without_a_physical_table_is_created() -> None:
    plan = planning.make(draft(flights()), NOTHING, POSTGRESQL)

    assert plan.kind == "create"
    assert plan.statements[0].sql.startswith("CREATE TABLE")


def test_a_draft_does_not_take_over_a_table_that_it_did_not_make() -> None:
    with pytest.raises(TableOccupied):
        planning.make(draft(flights()), Sight(physical(flights()), None), POSTGRESQL)


def test_a_draft_does_not_take_over_a_view() -> None:
    with pytest.raises(TableOccupied, match="view"):
        planning.make(draft(flights()), Sight(Physical("view"), None), POSTGRESQL)


def test_a_published_table_that_is_as_it_should_be_needs_nothing() -> None:
    plan = planning.make(published(flights(), flights()), Sight(physical(flights()), None), POSTGRESQL)

    assert (plan.kind, plan.statements) == ("none", ())


def test_new_columns_and_comments_are_changes() -> None:
    after = flights(column("gate", comment="Where."), comment="All departures.")

    plan = planning.make(published(flights(), after), Sight(physical(flights()), None), POSTGRESQL)

    assert plan.kind == "change"
    assert [statement.sql for statement in plan.statements] == [
        'ALTER TABLE "public"."flights" ADD COLUMN "gate" text',
        'COMMENT ON TABLE "public"."flights" IS \'All departures.\'',
        'COMMENT ON COLUMN "public"."flights"."gate" IS \'Where.\'',
    ]


def test_a_published_table_that_is_gone_is_created_again() -> None:
    assert planning.make(published(flights(), flights()), NOTHING, POSTGRESQL).kind == "create"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda p: replace(p, kind="view"), "it is a view"),
        (lambda p: replace(p, primary_key=()), "the primary key is"),
        (lambda p: replace(p, columns=p.columns[1:]), "'carrier' is missing"),
        (
            lambda p: replace(p, columns=(*p.columns, PhysicalColumn("x", "text", nullable=True))),
            "'x' is new",
        ),
        (
            lambda p: replace(p, columns=(replace(p.columns[0], type="text"), *p.columns[1:])),
            "'carrier' is text not null, not character varying(2) not null",
        ),
        (
            lambda p: replace(p, columns=(*p.columns[:2], replace(p.columns[2], default="1"), p.columns[3])),
            "'fare'",
        ),
        (lambda p: replace(p, indexes=p.indexes[1:]), "the unique key over (fare, seen_at) is missing"),
        (
            lambda p: replace(p, indexes=(*p.indexes, PhysicalIndex("more", ("carrier",), unique=True))),
            "the unique key 'more' is new",
        ),
    ],
)
def test_a_table_that_somebody_else_changed_is_drifted(
    changed: Callable[[Physical], Physical], said: str
) -> None:
    sight = Sight(changed(physical(flights())), None)

    with pytest.raises(TableDrifted) as drifted:
        planning.make(published(flights(), flights()), sight, POSTGRESQL)

    assert said in str(drifted.value)


def test_another_index_or_comment_of_somebody_else_is_no_drift() -> None:
    seen = physical(flights())
    seen = replace(
        seen, comment="mine", indexes=(*seen.indexes, PhysicalIndex("more", ("carrier",), unique=False))
    )

    assert planning.make(published(flights(), flights()), Sight(seen, None), POSTGRESQL).kind == "none"


def test_a_publish_that_was_cut_off_after_its_commit_is_adopted() -> None:
    wanted = replace(draft(flights()), begun={1: flights()})

    plan = planning.make(wanted, Sight(physical(flights()), mark(flights(), 1)), POSTGRESQL)

    assert (plan.kind, plan.statements) == ("adopt", ())


def test_what_was_added_by_a_publish_that_was_cut_off_is_not_added_again() -> None:
    after, later = flights(column("gate")), flights(column("gate"), column("terminal"))
    wanted = replace(published(flights(), later), revision=3, begun={2: after})

    plan = planning.make(wanted, Sight(physical(after), mark(after, 2)), POSTGRESQL)

    assert [s.sql for s in plan.statements] == ['ALTER TABLE "public"."flights" ADD COLUMN "terminal" text']


def test_a_mark_of_another_definition_is_no_proof() -> None:
    wanted = replace(draft(flights()), begun={1: flights()})

    with pytest.raises(TableOccupied):
        planning.make(wanted, Sight(physical(flights()), mark(flights(column("x")), 1)), POSTGRESQL)


@pytest.mark.parametrize(
    "moved",
    [
        lambda w, s: (replace(w, revision=9), s),
        lambda w, s: (replace(w, location=replace(PLACE, name="other")), s),
        lambda w, s: (replace(w, definition=flights(column("x"))), s),
        lambda w, s: (w, Sight(None, mark(flights(), 1))),
    ],
)
def test_the_hash_changes_with_all_that_a_plan_rests_on(
    moved: Callable[[Wanted, Sight], tuple[Wanted, Sight]],
) -> None:
    wanted, sight = draft(flights()), NOTHING

    after, seen = moved(wanted, sight)

    changed = planning.make(after, seen, POSTGRESQL)

    assert changed.hash != planning.make(wanted, sight, POSTGRESQL).hash


def test_the_hash_changes_when_only_a_comment_of_the_target_moved() -> None:
    wanted, seen = published(flights(), flights()), physical(flights())

    one, two = (
        planning.make(wanted, Sight(s, None), POSTGRESQL).hash for s in (seen, replace(seen, comment="x"))
    )

    assert one != two


@pytest.mark.parametrize(
    ("after", "place"),
    [
        (flights().model_copy(update={"columns": flights().columns[1:]}), ("columns",)),
        (flights().model_copy(update={"primary_key": ["carrier"]}), ("primary_key",)),
        (flights().model_copy(update={"indexes": [key("i", "fare")]}), ("indexes",)),
        (flights(column("x", nullable=False)), ("columns", 4, "nullable")),
    ],
)
def test_other_changes_of_a_published_table_are_refused_at_their_place(
    after: TableDefinition, place: tuple[str | int, ...]
) -> None:
    with pytest.raises(PublishedTableFixed) as refused:
        planning.make(published(flights(), after), Sight(physical(flights()), None), POSTGRESQL)

    assert place in [fault.loc for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        (column("renamed", "varchar(2)", nullable=False, identity="carrier"), "name"),
        (column("carrier", "varchar(3)", nullable=False), "type"),
        (column("carrier", "varchar(2)"), "nullable"),
        (column("carrier", "varchar(2)", nullable=False, literal="x"), "default"),
    ],
)
def test_a_published_column_keeps_all_but_its_comment(changed: object, place: str) -> None:
    after = flights().model_copy(update={"columns": [changed, *flights().columns[1:]]})

    with pytest.raises(PublishedTableFixed) as refused:
        planning.make(published(flights(), after), Sight(physical(flights()), None), POSTGRESQL)

    assert ("columns", 0, place) in [fault.loc for fault in refused.value.faults]


def test_sqlite_adds_no_column_whose_default_is_a_function() -> None:
    after = flights(column("day", "date", function="now"))

    with pytest.raises(PublishedTableFixed):
        planning.make(published(flights(), after), Sight(physical(flights()), None), DIALECTS["sqlite"])
