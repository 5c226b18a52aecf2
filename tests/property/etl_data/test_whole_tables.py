"""Whole-table steps give what a slow program in plain Python gives, however the rows are cut into pieces."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.handlers import _first_rows
from services.etl.handlers.aggregate import Aggregate
from services.etl.handlers.deduplicate import Deduplicate
from services.etl.handlers.join import Join
from services.etl.handlers.sort_rows import SortRows
from services.etl.pipeline import duck_places
from services.etl.pipeline.seen_keys import SeenNumbers
from tests.unit.etl_data.whole_tables import Looked, Result, Run, columns

TYPES: Final[dict[str, tuple[str, st.SearchStrategy[Any]]]] = {
    "i": ("int64", st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1]) | st.integers(-3, 3)),
    "s": ("int16", st.integers(-2, 2)),
    "t": ("text", st.text(alphabet="aAzé\U0001f600\uffee\x00 1", max_size=2)),
    "d": ("decimal(18,4)", st.integers(-3, 3).map(lambda n: Decimal(n) / 4) | st.just(Decimal("9" * 14))),
    "f": ("float64", st.sampled_from([0.0, -0.0, 0.5, -1e300, 5e-324])),
    "m": (
        "timestamptz",
        st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, 2, 3, 4, 5, UTC)]),
    ),
    "w": ("timestamp", st.sampled_from([datetime.min, datetime(2026, 3, 29, 2, 30)])),  # noqa: DTZ001, DTZ901  wall clocks
    "y": ("date", st.sampled_from([date(1, 1, 1), date(9999, 12, 31)])),
    "o": ("time", st.sampled_from([time(0), time(23, 59, 59, 999999)])),
    "b": ("bytes", st.binary(max_size=2)),
    "z": ("boolean", st.booleans()),
}  # fmt: skip
GIVEN: Final = columns(**{name: kind for name, (kind, _) in TYPES.items()})
ROWS: Final = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values) in TYPES.items()}), max_size=12
)
NAMES: Final = st.sampled_from(list(TYPES))
RUNS: Final = st.builds(Run, size=st.integers(1, 5))
patient = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Row = dict[str, Any]


def same(result: Result, rows: Sequence[Row], records: Sequence[int]) -> None:
    assert (result.rows, result.records) == (list(rows), list(records))
    assert result.lines == [10 * record for record in records]
    assert result.adds_up


def numbered(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    return list(enumerate(rows, start=1))


def by_value(column: str, *, descending: bool) -> Callable[[tuple[int, Row]], Any]:
    """Sorts NULL to the end in either direction, where the list is reversed for the descending one."""

    def key(row: tuple[int, Row]) -> Any:
        value = row[1][column]
        return (value is not None) == descending, 0 if value is None else _ordered(value)

    return key


def _ordered(value: Any) -> Any:
    return [ord(sign) for sign in value] if isinstance(value, str) else value


@patient
@given(rows=ROWS, run=RUNS, by=st.lists(NAMES, min_size=1, max_size=3, unique=True), data=st.data())
@pytest.mark.parametrize("files", [False, True])
def test_sorting(
    rows: list[Row],
    run: Run,
    by: list[str],
    data: st.DataObject,
    *,
    files: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if files:  # so many that each holds a row or two
        monkeypatch.setattr(duck_places, "SHARE", 1 << 40)
    terms, expected = [], numbered(rows)
    for name in by:
        down, first = data.draw(st.booleans()), data.draw(st.booleans())
        nulls, direction = ("first" if first else "last"), ("descending" if down else "ascending")
        terms.append({"column": name, "direction": direction, "nulls": nulls})
    for term in reversed(terms):
        known = [row for row in expected if row[1][term["column"]] is not None]
        known.sort(
            key=lambda row, name=term["column"]: _ordered(row[1][name]),  # type: ignore[misc]  # bound per turn
            reverse=term["direction"] == "descending",
        )
        unknown = [row for row in expected if row[1][term["column"]] is None]
        expected = unknown + known if term["nulls"] == "first" else known + unknown
    result = run.of(SortRows.of({"by": terms}), GIVEN, rows)
    same(result, [row for _, row in expected], [record for record, _ in expected])


@patient
@given(rows=ROWS, run=RUNS, key=st.lists(NAMES, min_size=1, max_size=2, unique=True), last=st.booleans(),
       by=st.none() | NAMES)  # fmt: skip
@pytest.mark.parametrize("spills", [False, True])
def test_removing_duplicates(
    rows: list[Row], run: Run, key: list[str], by: str | None, *, last: bool, spills: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(_first_rows, "SHARE", 1 << 60 if spills else 2)
    groups: dict[Any, list[tuple[int, Row]]] = {}
    for numbered_row in numbered(rows):
        groups.setdefault(tuple(numbered_row[1][name] for name in key), []).append(numbered_row)
    if by is not None:
        for group in groups.values():
            group.sort(key=by_value(by, descending=last))
    kept = sorted((group[-1 if last else 0] for group in groups.values()), key=lambda row: row[0])
    handler = Deduplicate.of({"columns": key, "keep": "last" if last else "first", "by": by})
    same(run.of(handler, GIVEN, rows), [row for _, row in kept], [record for record, _ in kept])


@patient
@given(rows=ROWS, run=RUNS, by=st.lists(NAMES, max_size=2, unique=True))
def test_grouping(rows: list[Row], run: Run, by: list[str]) -> None:
    functions = [("sum", "i"), ("avg", "d"), ("avg", "i"), ("min", "t"), ("max", "m"), ("first", "b"),
                 ("last", "o"), ("string_agg", "t"), ("bool_and", "z"), ("count_distinct", "d")]  # fmt: skip
    parts = [{"function": name, "column": of, "into": f"{name} {of}"} for name, of in functions]
    groups: dict[Any, list[tuple[int, Row]]] = {}
    for record, row in numbered(rows):
        groups.setdefault(tuple(row[name] for name in by), []).append((record, row))
    expected = [
        dict(zip(by, (group[0][1][name] for name in by), strict=True))
        | {f"{name} {of}": _made(name, of, [row[of] for _, row in group if row[of] is not None])
           for name, of in functions}
        for group in groups.values()
    ]  # fmt: skip
    result = run.of(Aggregate.of({"group_by": by, "aggregates": parts}), GIVEN, rows)
    same(result, expected, [group[0][0] for group in groups.values()])


def _made(function: str, of: str, known: list[Any]) -> Any:
    if function == "count_distinct":
        return len(set(known))
    if not known:
        return None
    with localcontext(prec=200, rounding=ROUND_HALF_UP):
        mean = Decimal(sum(known)) / len(known) if function == "avg" else Decimal(0)
        scale = Decimal("1e-10") if of == "d" else Decimal("1e-6")
        made: dict[str, Callable[[], Any]] = {
            "sum": lambda: sum(known),
            "avg": lambda: mean.quantize(scale),
            "min": lambda: min(known, key=_ordered),
            "max": lambda: max(known),
            "first": lambda: known[0],
            "last": lambda: known[-1],
            "string_agg": lambda: ", ".join(known),
            "bool_and": lambda: all(known),
        }
        return made[function]()


@patient
@given(rows=ROWS, further=ROWS, run=RUNS, keys=st.lists(NAMES, min_size=1, max_size=2, unique=True),
       how=st.sampled_from(["left", "inner", "semi", "anti"]),
       several=st.sampled_from(["first", "reject", "multiply"]))  # fmt: skip
def test_joining(
    rows: list[Row], further: list[Row], run: Run, keys: list[str], *, how: str, several: str
) -> None:
    run.right = Looked(GIVEN, further)
    takes = how in {"left", "inner"}
    expected: list[tuple[int, Row]] = []
    for record, row in numbered(rows):
        found = [other for other in further if all(row[k] is not None and row[k] == other[k] for k in keys)]
        if takes and several == "reject" and len(found) > 1:
            continue
        if how == "semi" or how == "anti":  # noqa: PLR1714  two rules that look alike
            expected += [(record, row)] if bool(found) == (how == "semi") else []
            continue
        used = found if several == "multiply" else found[:1]
        expected += [(record, {**row, "r t": other["t"]}) for other in used]
        if not found and how == "left":
            expected.append((record, {**row, "r t": None}))
    pairs = [{"left": name, "right": name} for name in keys]
    handler = Join.of(
        {"right": {}, "keys": pairs, "columns": [{"column": "t"}], "prefix": "r ", "how": how,
         "several": several, "dropped": "reject"}
    )  # fmt: skip
    same(run.of(handler, GIVEN, rows), [row for _, row in expected], [record for record, _ in expected])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.none() | st.integers(-70_000, 70_000) | st.integers(-(2**63), 2**63 - 1), max_size=40)
        | st.builds(lambda first, step: list(range(first, first + 3000 * step, step)), st.integers(-9, 9),
                    st.integers(1, 3)),
        max_size=8,
    )
)  # fmt: skip
def test_numbers_are_remembered_and_given_back(batches: list[list[int | None]]) -> None:
    import pyarrow as pa

    seen, known = SeenNumbers(), set[int | None]()
    for batch in batches:
        column = pa.array(batch, pa.int64())
        mask = seen.fresh(seen.key([column])).tolist()
        assert mask == [value not in known and value not in batch[:at] for at, value in enumerate(batch)]
        known |= set(batch)
    taken = [value for part in seen.taken() for value in part.to_pylist()]
    assert len(taken) == len(known)
    assert set(taken) == known
