"""Expressions at random, each with an evaluation of its own, row by row."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from hypothesis import strategies as st

EXACT: Final = Context(prec=200)
INT: Final = -1
"""The scale of whole numbers, which are no decimals."""


class Fails(Exception):
    """The row fails with this code."""


Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """An expression as text, what it gives for a row, and the scale of the numbers that it gives."""

    text: str
    of: Callable[[Row], Any]
    scale: int = INT


def strict(text: str, compute: Callable[..., Any], *parts: Made, scale: int = INT) -> Made:
    """All parts are reached; NULL in any of them is NULL."""

    def of(row: Row) -> Any:
        values = [part.of(row) for part in parts]
        return None if None in values else compute(*values)

    return Made(text.format(*(part.text for part in parts)), of, scale)


def fitting(value: Any, scale: int) -> Any:
    """A number within the bounds of its type."""
    if scale == INT:
        if not -(2**63) <= value < 2**63:
            raise Fails("overflow")
        return int(value)
    if abs(value) >= Decimal(10) ** (38 - scale):
        raise Fails("overflow")
    return Decimal(value)


def quotient(scale: int) -> Callable[[Any, Any], Any]:
    def divide(one: Any, other: Any) -> Any:
        if other == 0:
            raise Fails("division_by_zero")
        exact = EXACT.divide(Decimal(one), Decimal(other))
        return fitting(exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, EXACT), scale)

    return divide


def remainder(one: Any, other: Any) -> Any:
    if other == 0:
        raise Fails("division_by_zero")
    return EXACT.remainder(Decimal(one), Decimal(other))


def arithmetic(sign: str, one: Made, other: Made) -> Made:
    decimals = max(one.scale, other.scale) > INT
    scale = max(one.scale, other.scale)
    if sign == "/":
        scale = max(one.scale, other.scale, 6)
        return strict("({} / {})", quotient(scale), one, other, scale=scale)
    if sign == "%":
        return strict("({} % {})", lambda x, y: fitting(remainder(x, y), scale), one, other, scale=scale)
    if sign == "*":
        scale = max(one.scale, 0) + max(other.scale, 0) if decimals else INT
    operate = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}[sign]
    text = f"({{}} {sign} {{}})"
    return strict(text, lambda x, y: fitting(operate(Decimal(x), Decimal(y)), scale), one, other, scale=scale)


def rounded(digits: int, number: Made) -> Made:
    def away(value: Any) -> Any:
        if number.scale <= digits:
            return value
        return Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)

    return strict(f"round({{}}, {digits})", away, number, scale=min(number.scale, digits))


def either(condition: Made, one: Made, other: Made) -> Made:
    scale = max(one.scale, other.scale)

    def of(row: Row) -> Any:
        value = (one if condition.of(row) else other).of(row)
        return fitting(value, scale) if value is not None and isinstance(value, int | Decimal) else value

    return Made(f"case when {condition.text} then {one.text} else {other.text} end", of, scale)


def first(one: Made, other: Made) -> Made:
    scale = max(one.scale, other.scale)

    def of(row: Row) -> Any:
        value = one.of(row)
        value = other.of(row) if value is None else value
        return fitting(value, scale) if isinstance(value, int | Decimal) else value

    return Made(f"coalesce({one.text}, {other.text})", of, scale)


def joined(word: str, one: Made, other: Made) -> Made:
    decides = word == "or"

    def of(row: Row) -> Any:
        left = one.of(row)
        if left is decides:
            return decides
        right = other.of(row)
        return decides if right is decides else None if None in (left, right) else not decides

    return Made(f"({one.text} {word} {other.text})", of)


def tried(made: Made) -> Made:
    def of(row: Row) -> Any:
        try:
            return made.of(row)
        except Fails:
            return None

    return Made(f"try({made.text})", of, made.scale)


def column(name: str, scale: int = INT) -> Made:
    return Made(name, lambda row: row[name], scale)


def later(unit: str, count: int, day: date) -> date:
    if unit in {"day", "week"}:
        try:
            return day + timedelta(days=count * (7 if unit == "week" else 1))
        except OverflowError:
            raise Fails("out_of_range") from None
    months = day.year * 12 + day.month - 1 + count * {"month": 1, "quarter": 3, "year": 12}[unit]
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise Fails("out_of_range")
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def beginning(unit: str, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    month = {"year": 1, "quarter": (day.month - 1) // 3 * 3 + 1}.get(unit, day.month)
    return day if unit == "day" else date(day.year, month, 1)


def cut(text: str, start: int, count: int) -> str:
    if start < 1 or count < 0:
        raise Fails("out_of_range")
    return text[start - 1 : start - 1 + count]


def part(text: str, number: int) -> str | None:
    parts = text.split("b")
    return parts[number - 1] if number <= len(parts) else None


UNITS: Final = st.sampled_from(["day", "week", "month", "quarter", "year"])
SMALL: Final = st.integers(0, 4)


def numbers(depth: int) -> st.SearchStrategy[Made]:
    leaves = st.one_of(
        st.sampled_from([column("a"), column("b"), column("p", 2), column("q", 3)]),
        st.integers(-20, 20).map(lambda n: Made(f"({n})", lambda _, n=n: n)),  # type: ignore[misc]  # bound now
        st.integers(-500, 500).map(
            lambda n: Made(f"({Decimal(n).scaleb(-2)})", lambda _: Decimal(n).scaleb(-2), 2)
        ),
    )
    if depth == 0:
        return leaves
    inner, words, truths = numbers(depth - 1), texts(depth - 1), conditions(depth - 1)
    return st.one_of(
        leaves,
        *(st.builds(arithmetic, st.just(sign), inner, inner) for sign in "+-*//%"),
        st.builds(rounded, SMALL, inner),
        st.builds(rounded, st.integers(0, 2), st.sampled_from([column("p", 2), column("q", 3)])),
        st.builds(either, truths, inner, inner),
        st.builds(first, inner, inner),
        inner.map(tried),
        inner.map(lambda x: strict("-{}", lambda n: fitting(-n, x.scale), x, scale=x.scale)),
        inner.map(lambda x: strict("abs({})", lambda n: fitting(abs(n), x.scale), x, scale=x.scale)),
        words.map(lambda x: strict("length({})", len, x)),
        st.builds(
            lambda x, y: strict("date_diff('day', {}, {})", lambda m, n: (n - m).days, x, y),
            days(depth - 1),
            days(depth - 1),
        ),
        days(depth - 1).map(lambda x: strict("extract(week from {})", lambda n: n.isocalendar()[1], x)),
    )


def texts(depth: int) -> st.SearchStrategy[Made]:
    leaves = st.one_of(
        st.sampled_from([column("t"), column("s")]),
        st.text("abB é'", max_size=4).map(lambda x: Made("'" + x.replace("'", "''") + "'", lambda _: x)),
    )
    if depth == 0:
        return leaves
    inner = texts(depth - 1)
    return st.one_of(
        leaves,
        inner.map(lambda x: strict("upper({})", str.upper, x)),
        inner.map(lambda x: strict("trim({})", str.strip, x)),
        st.builds(lambda x, y: strict("({} || {})", str.__add__, x, y), inner, inner),
        st.builds(
            lambda x, m, n: strict(f"substring({{}}, {m}, {n})", lambda v: cut(v, m, n), x),
            inner,
            SMALL,
            SMALL,
        ),
        st.builds(lambda x: strict("substring({}, b, 2)", lambda v, n: cut(v, n, 2), x, column("b")), inner),
        st.builds(
            lambda x, n: strict(f"right({{}}, {n})", lambda v: v[max(0, len(v) - n) :], x), inner, SMALL
        ),
        st.builds(
            lambda x, n: strict(f"lpad({{}}, {n}, '*')", lambda v: v.rjust(n, "*")[:n], x), inner, SMALL
        ),
        st.builds(
            lambda x, n: strict(f"split_part({{}}, 'b', {n + 1})", lambda v: part(v, n + 1), x), inner, SMALL
        ),
        st.builds(
            lambda x, y: strict("replace({}, 'a', {})", lambda v, w: v.replace("a", w), x, y), inner, inner
        ),
        st.builds(either, conditions(depth - 1), inner, inner),
        st.builds(first, inner, inner),
    )


def days(depth: int) -> st.SearchStrategy[Made]:
    leaves = st.sampled_from([column("d"), column("e")])
    if depth == 0:
        return leaves
    inner = days(depth - 1)
    return st.one_of(
        leaves,
        st.builds(
            lambda u, x: strict(f"date_trunc('{u}', {{}})", lambda v: beginning(u, v), x), UNITS, inner
        ),
        st.builds(
            lambda u, x: strict(f"date_add('{u}', b, {{}})", lambda v, n: later(u, n, v), x, column("b")),
            UNITS,
            inner,
        ),
        st.builds(first, inner, inner),
    )


def conditions(depth: int) -> st.SearchStrategy[Made]:
    if depth == 0:
        return st.just(column("o"))
    inner, number, text = conditions(depth - 1), numbers(depth - 1), texts(depth - 1)
    return st.one_of(
        st.just(column("o")),
        st.builds(joined, st.sampled_from(["and", "or"]), inner, inner),
        inner.map(lambda x: strict("(not {})", lambda v: not v, x)),
        st.builds(lambda x: strict("({} = 1)", lambda v: v == 1, arithmetic("/", x, column("b"))), number),
        st.one_of(number, text).map(lambda x: Made(f"({x.text} is null)", lambda row: x.of(row) is None)),
        *(
            st.builds(lambda x, y: strict("({} < {})", lambda m, n: m < n, x, y), kind, kind)
            for kind in (number, text, days(1))
        ),
        *(
            st.builds(lambda x, y: strict("({} = {})", lambda m, n: m == n, x, y), kind, kind)
            for kind in (number, text)
        ),
    )
