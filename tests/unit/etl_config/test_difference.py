from services.etl.columns import ColumnType
from services.etl.tables.definition import TableDefinition
from services.etl.tables.difference import Key, difference, remade

from .making import column, flights, key


def renamed(definition: TableDefinition, **names: str) -> TableDefinition:
    """The same table with columns called otherwise, in its keys, too."""

    def listed(columns: list[str]) -> list[str]:
        return [names.get(name, name) for name in columns]

    return TableDefinition(
        columns=[
            one.model_copy(update={"name": names.get(one.name, one.name)}) for one in definition.columns
        ],
        primary_key=listed(definition.primary_key),
        unique_keys=[key(one.name, *listed(one.columns)) for one in definition.unique_keys],
        indexes=[key(one.name, *listed(one.columns)) for one in definition.indexes],
        comment=definition.comment,
    )


def retyped(definition: TableDefinition, name: str, kind: str) -> TableDefinition:
    columns = [
        one.model_copy(update={"type": ColumnType.parse(kind)}) if one.name == name else one
        for one in definition.columns
    ]
    return definition.model_copy(update={"columns": columns})


def test_a_rename_is_one_and_no_key_over_the_column_changes() -> None:
    found = difference(flights(), renamed(flights(), fare="price"))

    assert found.sentences() == ["the column 'fare' is called 'price'"]
    assert (found.added, found.dropped, found.keys_added, found.keys_dropped) == ((), (), (), ())


def test_columns_that_swap_their_names_are_two_renames() -> None:
    found = difference(flights(), renamed(flights(), carrier="flight", flight="carrier"))

    assert [(pair.before.name, pair.after.name) for pair in found.changed] == [
        ("carrier", "flight"),
        ("flight", "carrier"),
    ]
    assert not found.keys_added


def test_another_column_of_the_same_name_is_another_column() -> None:
    other = renamed(flights(), fare="price").columns
    after = flights().model_copy(update={"columns": [*other, column("fare", identity="another")]})

    found = difference(flights(), after)

    assert [one.name for one in found.added] == ["fare"]
    assert [pair.after.name for pair in found.changed] == ["price"]


def test_a_key_that_is_called_otherwise_is_renamed() -> None:
    after = flights().model_copy(update={"indexes": [key("by_time", "seen_at")]})

    found = difference(flights(), after)

    assert [(before.name, now.name) for before, now in found.keys_renamed] == [
        ("flights_seen_at_idx", "by_time")
    ]
    assert (found.keys_added, found.keys_dropped) == ((), ())


def test_a_key_over_other_columns_is_another_key() -> None:
    after = flights().model_copy(update={"indexes": [key("flights_seen_at_idx", "seen_at", "fare")]})

    found = difference(flights(), after)

    assert found.keys_added == (Key("index", "flights_seen_at_idx", ("seen_at", "fare")),)
    assert found.keys_dropped == (Key("index", "flights_seen_at_idx", ("seen_at",)),)


def test_of_two_keys_over_the_same_columns_each_keeps_its_name() -> None:
    before = flights().model_copy(update={"indexes": [key("one", "fare"), key("two", "fare")]})
    after = flights().model_copy(update={"indexes": [key("two", "fare"), key("one", "fare")]})

    assert difference(before, after).empty


def test_comments_are_no_material_difference() -> None:
    after = flights(comment="Others.")
    columns = [one.model_copy(update={"comment": "Changed."}) for one in after.columns]

    found = difference(flights(), after.model_copy(update={"columns": columns}))

    assert not found.empty
    assert found.material.empty


def test_the_order_of_columns_is_no_difference() -> None:
    after = flights().model_copy(update={"columns": flights().columns[::-1]})

    assert difference(flights(), after).empty


def test_a_column_whose_values_can_not_be_cast_is_made_anew_with_its_keys() -> None:
    before, after = flights(), retyped(flights(), "seen_at", "json")

    found = remade(difference(before, after), before, after, lambda _: False)

    assert [one.name for one in found.dropped] == ["seen_at"]
    assert [str(one.type) for one in found.added] == ["json"]
    assert {one.name for one in found.keys_dropped} == {"flights_fare_key", "flights_seen_at_idx"}
    assert {one.name for one in found.keys_added} == {"flights_fare_key", "flights_seen_at_idx"}


def test_a_key_that_is_renamed_over_a_column_made_anew_is_dropped_under_its_old_name() -> None:
    before = flights()
    after = retyped(before, "seen_at", "json").model_copy(update={"indexes": [key("by_time", "seen_at")]})

    found = remade(difference(before, after), before, after, lambda _: False)

    assert found.keys_renamed == ()
    assert "flights_seen_at_idx" in {one.name for one in found.keys_dropped}
    assert "by_time" in {one.name for one in found.keys_added}
