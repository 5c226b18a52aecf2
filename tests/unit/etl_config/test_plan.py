from collections.abc import Callable
from dataclasses import replace

import pytest

from services.etl.tables.definition import Default, TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.errors import NameTaken, TableDrifted, TableOccupied, TargetUnfaithful
from services.etl.tables.physical import Mark, Physical, PhysicalColumn, PhysicalIndex, Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.plans.wanted import Revision, Wanted

from .making import PLACE, TABLE_ID, column, flights, key

POSTGRESQL = DIALECTS["postgresql"]
NOTHING = Sight(None, None)
SPELLED = {"fare": "0.00", "seen_at": "now()"}
"""How PostgreSQL shows the defaults of the table of flights."""

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
                default=None if one.default is None else SPELLED[one.name],
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
    return Wanted(TABLE_ID, PLACE, 2, after, Revision(1, before), {}, names=(PLACE.name,))


def sighted(found: Physical | None, note: Mark | None = None) -> Sight:
    return Sight(found, note, name=PLACE.name if found else None)


def mark(definition: TableDefinition, revision: int) -> Mark:
    return Mark(TABLE_ID, revision, definition.fingerprint())


def test_a_draft_without_a_physical_table_is_created() -> None:
    plan = planning.make_plan(draft(flights()), NOTHING, POSTGRESQL)

    assert plan.kind == "create"
    assert plan.statements[0].sql.startswith("CREATE TABLE")


def test_a_draft_does_not_take_over_a_table_that_it_did_not_make() -> None:
    with pytest.raises(TableOccupied):
        planning.make_plan(draft(flights()), sighted(physical(flights())), POSTGRESQL)


def test_a_draft_does_not_take_over_a_view() -> None:
    with pytest.raises(TableOccupied, match="view"):
        planning.make_plan(draft(flights()), Sight(Physical("view"), None), POSTGRESQL)


def test_a_published_table_that_is_as_it_should_be_needs_nothing() -> None:
    plan = planning.make_plan(published(flights(), flights()), sighted(physical(flights())), POSTGRESQL)

    assert (plan.kind, plan.statements) == ("none", ())


def test_new_columns_and_comments_are_changes() -> None:
    after = flights(column("gate", comment="Where."), comment="All departures.")

    plan = planning.make_plan(published(flights(), after), sighted(physical(flights())), POSTGRESQL)

    assert plan.kind == "change"
    assert [statement.sql for statement in plan.statements] == [
        'ALTER TABLE "public"."flights"\n  ADD COLUMN "gate" text',
        'COMMENT ON TABLE "public"."flights" IS \'All departures.\'',
        'COMMENT ON COLUMN "public"."flights"."gate" IS \'Where.\'',
    ]


def test_a_published_table_that_is_gone_is_created_again() -> None:
    assert planning.make_plan(published(flights(), flights()), NOTHING, POSTGRESQL).kind == "create"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda p: replace(p, primary_key=()), "the primary key over (carrier, flight) is missing"),
        (lambda p: replace(p, columns=p.columns[1:], primary_key=()), "'carrier' is missing"),
        (
            lambda p: replace(p, columns=(*p.columns, PhysicalColumn("x", "text", nullable=True))),
            "'x' is new",
        ),
        (
            lambda p: replace(p, columns=(replace(p.columns[0], type="text"), *p.columns[1:])),
            "the column 'carrier' is text, not varchar(2)",
        ),
        (
            lambda p: replace(p, columns=(*p.columns[:2], replace(p.columns[2], default="1"), p.columns[3])),
            "the column 'fare' has the default '1.00', not the default '0.00'",
        ),
        (lambda p: replace(p, indexes=p.indexes[1:]), "the unique key over (fare, seen_at) is missing"),
        (
            lambda p: replace(p, indexes=(*p.indexes, PhysicalIndex("more", ("carrier",), unique=True))),
            "the unique key over (carrier) is new",
        ),
    ],
)
def test_a_table_that_somebody_else_changed_is_drifted(
    changed: Callable[[Physical], Physical], said: str
) -> None:
    sight = sighted(changed(physical(flights())))

    with pytest.raises(TableDrifted) as drifted:
        planning.make_plan(published(flights(), flights()), sight, POSTGRESQL)

    assert said in str(drifted.value)


def test_another_index_or_comment_of_somebody_else_is_no_drift() -> None:
    seen = physical(flights())
    seen = replace(
        seen, comment="mine", indexes=(*seen.indexes, PhysicalIndex("more", ("carrier",), unique=False))
    )

    plan = planning.make_plan(published(flights(), flights()), sighted(seen), POSTGRESQL)

    assert [statement.sql for statement in plan.statements] == [
        'COMMENT ON TABLE "public"."flights" IS \'Departures.\''
    ]


def test_a_publish_that_was_cut_off_after_its_commit_is_adopted() -> None:
    wanted = replace(draft(flights()), begun={1: flights()})

    plan = planning.make_plan(wanted, sighted(physical(flights()), mark(flights(), 1)), POSTGRESQL)

    assert (plan.kind, plan.statements) == ("adopt", ())


def test_what_was_added_by_a_publish_that_was_cut_off_is_not_added_again() -> None:
    after, later = flights(column("gate")), flights(column("gate"), column("terminal"))
    wanted = replace(published(flights(), later), revision=3, begun={2: after})

    plan = planning.make_plan(wanted, sighted(physical(after), mark(after, 2)), POSTGRESQL)

    assert [s.sql for s in plan.statements] == [
        'ALTER TABLE "public"."flights"\n  ADD COLUMN "terminal" text'
    ]


def test_a_mark_of_another_definition_is_no_proof() -> None:
    wanted = replace(draft(flights()), begun={1: flights()})

    with pytest.raises(TableOccupied):
        planning.make_plan(wanted, sighted(physical(flights()), mark(flights(column("x")), 1)), POSTGRESQL)


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

    changed = planning.make_plan(after, seen, POSTGRESQL)

    assert changed.hash != planning.make_plan(wanted, sight, POSTGRESQL).hash


def test_the_hash_changes_when_only_a_comment_of_the_target_moved() -> None:
    wanted, seen = published(flights(), flights()), physical(flights())

    one, two = (
        planning.make_plan(wanted, sighted(s), POSTGRESQL).hash for s in (seen, replace(seen, comment="x"))
    )

    assert one != two


def test_a_change_of_a_table_that_was_changed_by_others_goes_over_it_when_asked() -> None:
    found = replace(physical(flights()), columns=(*physical(flights()).columns, SURPRISE))

    plan = planning.make_plan(published(flights(), flights()), sighted(found), POSTGRESQL, over_drift=True)

    assert [statement.sql for statement in plan.statements] == [
        'ALTER TABLE "public"."flights"\n  DROP COLUMN "x"'
    ]
    assert (plan.kind, plan.destructive) == ("resume", True)


def test_a_table_without_columns_can_not_be_published() -> None:
    plan = planning.make_plan(draft(TableDefinition(columns=[])), NOTHING, POSTGRESQL)

    assert [(fault.loc, fault.code) for fault in plan.faults] == [(("columns",), "columns_count")]


def test_a_kept_default_can_not_be_made_anew() -> None:
    kept = column("n", "int64").model_copy(update={"default": Default(kept="nextval('s')")})

    plan = planning.make_plan(draft(flights(kept)), NOTHING, POSTGRESQL)

    assert [(fault.loc, fault.code) for fault in plan.faults] == [(("columns", 4, "default"), "default_kept")]
    assert plan.statements == ()


def test_the_name_that_a_table_is_to_get_may_be_taken() -> None:
    wanted = replace(published(flights(), flights()), location=replace(PLACE, name="departures"))

    with pytest.raises(TableOccupied, match=r"view named public\.departures"):
        planning.make_plan(wanted, replace(sighted(physical(flights())), taken="view"), POSTGRESQL)


def test_the_name_that_a_key_is_to_get_may_be_taken() -> None:
    after = flights().model_copy(update={"indexes": [key("Taken", "seen_at")]})

    with pytest.raises(NameTaken) as refused:
        planning.make_plan(
            published(flights(), after),
            replace(sighted(physical(flights())), names=frozenset({"taken"})),
            POSTGRESQL,
        )

    assert [fault.loc for fault in refused.value.faults] == [("indexes", 0, "name")]


def test_what_came_of_a_plan_is_verified() -> None:
    plan = planning.make_plan(
        published(flights(), flights(column("gate"))), sighted(physical(flights())), POSTGRESQL
    )

    plan.verify(sighted(physical(flights(column("gate")))))
    with pytest.raises(TargetUnfaithful, match="'gate' is missing"):
        plan.verify(sighted(physical(flights())))


def test_columns_that_have_swapped_names_are_told_by_what_has_begun() -> None:
    """Both have one type: only the note says whether the names were swapped already."""
    one, other = column("a", "int32"), column("b", "int32")
    before = TableDefinition(columns=[one, other])
    after = TableDefinition(
        columns=[one.model_copy(update={"name": "b"}), other.model_copy(update={"name": "a"})]
    )
    wanted = replace(published(before, after), begun={2: after})
    table = physical(before)

    def plan(*, settled: bool) -> planning.Plan:
        begun = replace(mark(after, 2), settled=settled)
        # A default is on its way, so that the table is at neither of the two.
        found = replace(table, columns=(replace(table.columns[0], default="1"), table.columns[1]))
        return planning.make_plan(wanted, replace(sighted(found), begun=begun), POSTGRESQL)

    assert any("RENAME COLUMN" in statement.sql for statement in plan(settled=False).statements)
    assert not any("RENAME COLUMN" in statement.sql for statement in plan(settled=True).statements)
