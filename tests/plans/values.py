"""Values that columns hold, how they are spelled as texts, and which texts stand for one.

Written without the code that is tested: what that does in SQL has to come to the same.
"""

import datetime as dt
import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind


class Unfit(ValueError):
    """The value can't become one of the type without a loss."""


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value, by its text with sorted keys."""

    text: str

    @classmethod
    def of(cls, value: object) -> "Json":
        return cls(json.dumps(value, sort_keys=True))


@dataclass(frozen=True, slots=True)
class Raw:
    """A value of a type that only the database knows, as the database spells it."""

    text: str


def spelled(kind: ColumnType, value: Any) -> str:  # noqa: PLR0911 - one for each type
    """The text that stands for the value."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:.{kind.scale}f}" if value else f"{0:.{kind.scale}f}"
        case float():
            return repr(value)
        case dt.datetime():
            return value.isoformat(sep=" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Json() | Raw():
            return value.text
    return str(value)


def read(kind: ColumnType, text: str) -> Any:
    """The value that a text stands for. Raises Unfit."""
    try:
        return _READERS[kind.kind](kind, text)
    except (ValueError, OverflowError):
        raise Unfit(text) from None


def _text(kind: ColumnType, text: str) -> str:
    if kind.length is not None and len(text) > kind.length:
        raise Unfit(text)
    return text


def _boolean(_: ColumnType, text: str) -> bool:
    return {"true": True, "false": False}[text] if text in {"true", "false"} else _refuse(text)


def _digits(text: str, most: int) -> bool:
    return 0 < len(text) <= most and set(text) <= set(string.digits)


def _integer(kind: ColumnType, text: str) -> int:
    if not _digits(text[1:] if text[:1] in {"+", "-"} else text, 30):
        raise Unfit(text)
    return whole(kind, int(text))


def _decimal(kind: ColumnType, text: str) -> Decimal:
    whole_part, point, fraction = (text[1:] if text[:1] in {"+", "-"} else text).partition(".")
    if not _digits(whole_part, 100) or (point and not _digits(fraction, 100)):
        raise Unfit(text)
    return number(kind, Decimal(text))


def _date(_: ColumnType, text: str) -> dt.date:
    """Python knows weeks and dates without hyphens, too; nobody else does."""
    return dt.date.fromisoformat(text) if text[4:5] == text[7:8] == "-" else _refuse(text)


def _time(_: ColumnType, text: str) -> dt.time:
    _exact_seconds(text)
    if text[2:3] != ":":
        raise Unfit(text)
    found = dt.time.fromisoformat(text)
    return found if found.tzinfo is None else _refuse(text)


def _timestamp(_: ColumnType, text: str) -> dt.datetime:
    _exact_seconds(text)
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo is None else _refuse(text)


def _timestamptz(_: ColumnType, text: str) -> dt.datetime:
    _exact_seconds(text)
    found = dt.datetime.fromisoformat(text)
    return found.astimezone(dt.UTC) if found.tzinfo is not None else _refuse(text)


def _exact_seconds(text: str) -> None:
    """Python cuts off what is less than a microsecond; nothing may be cut off here."""
    for point in ".,":
        for fraction in text.split(point)[1:]:
            digits = fraction[: len(fraction) - len(fraction.lstrip(string.digits))]
            if digits[6:].strip("0"):
                raise Unfit(text)


def _refuse(text: str) -> Any:
    raise Unfit(text)


_READERS: Final[Mapping[Kind, Callable[[ColumnType, str], Any]]] = {
    "text": _text,
    "varchar": _text,
    "boolean": _boolean,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "decimal": _decimal,
    "float32": lambda _, text: float(text),
    "float64": lambda _, text: float(text),
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "json": lambda _, text: Json.of(json.loads(text)),
    "uuid": lambda _, text: UUID(text),
    "bytes": lambda _, text: bytes.fromhex(text),
}


def whole(kind: ColumnType, value: int) -> int:
    """The number, if it is in the type's range. Raises Unfit."""
    low, high = INTEGER_RANGES[kind.kind]
    if not low <= value <= high:
        raise Unfit(value)
    return value


def number(kind: ColumnType, value: Decimal) -> Decimal:
    """The number without zeros at its end, if its digits have room in the type. Raises Unfit."""
    assert kind.precision is not None
    assert kind.scale is not None
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    written = "".join(map(str, digits)).lstrip("0")
    while written.endswith("0"):
        written, exponent = written[:-1], exponent + 1
    if written and (-exponent > kind.scale or len(written) + exponent > kind.precision - kind.scale):
        raise Unfit(value)
    return Decimal((int(value < 0), tuple(map(int, written)), exponent)) if written else Decimal(0)


_EARLIEST: Final = dt.datetime(1000, 1, 2)  # noqa: DTZ001 - a time without zone is what is meant
"""MySQL promises no earlier years."""

ODD_TEXTS: Final = (
    *(
        "",
        " ",
        "0",
        "-0",
        "+7",
        "007",
        " 1",
        "1 ",
        "1.",
        ".5",
        "1e3",
        "1_000",
        "0x1f",
        "١",
        "NaN",
        "Infinity",
    ),
    *("32767", "32768", "-32769", "2147483648", "9223372036854775807", "9223372036854775808"),
    *(
        "1.10",
        "-0.00",
        "99999.995",
        "0.0000000001",
        "true",
        "false",
        "TRUE",
        "t",
        "yes",
        "1,5",
        "--1",
        "null",
    ),
    *("2026-02-29", "2024-02-29", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-1-5"),
    *("today", "infinity", "2026-01-31 24:00:00", "2026-01-31 23:59:60", "25:00:00", "13:45", "13:45:00.5"),
    *("13:45:00.1234567", "13:45:00+02:00", "2026-01-31T13:45:00Z", "2026-01-31 13:45:00+14:00"),
    *("2026-01-31 13:45:00", "0001-01-01 00:00:00+10:00", "2026-01-31", "2026-01-31 13:45:00 Europe/Berlin"),
    *("018f0000-0000-7000-8000-000000000001", "018F0000-0000-7000-8000-000000000001", "018f-not"),
    *("it's", 'say "hi"', "back\\slash", "%s $1 ?", "Größe", "漢字", "😀", "a\nb", "ends with blanks  "),
)

_PLAIN_TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8)


def values(kind: ColumnType) -> st.SearchStrategy[Any]:
    """Values of a type: common ones, extremes, and whatever there is."""
    if kind.is_text:
        length = kind.length
        return st.one_of(st.sampled_from(ODD_TEXTS), _PLAIN_TEXTS, _long_texts(length)).map(
            lambda text: text[:length]
        )
    if kind.is_integer:
        low, high = INTEGER_RANGES[kind.kind]
        return st.one_of(st.integers(-2, 9), st.sampled_from([low, high]), st.integers(low, high))
    if kind.kind == "decimal":
        return _decimals(kind)
    return _STRATEGIES[kind.kind]


def _long_texts(length: int | None) -> st.SearchStrategy[str]:
    sizes = [length] if length is not None and length <= 300 else [40, 255, 256, 300]
    return st.sampled_from(sizes).map(lambda size: "long text " * (size // 10) + "x" * (size % 10))


def _decimals(kind: ColumnType) -> st.SearchStrategy[Decimal]:
    assert kind.precision is not None
    assert kind.scale is not None
    scale, most = kind.scale, 10**kind.precision - 1
    wholes = 10**scale if kind.precision > scale else 1
    parts = st.one_of(
        st.integers(0, 9 if kind.precision > scale else 0).map(lambda units: units * wholes),
        st.sampled_from([most, -most, 1, -1]),
        st.integers(-most, most),
    )
    return parts.map(lambda digits: number(kind, Decimal(f"{digits}E-{scale}")))


def _floats(width: Any) -> st.SearchStrategy[float]:
    found = st.floats(width=width, allow_nan=False, allow_infinity=False)
    return found.map(lambda value: value or 0.0)  # MySQL keeps no sign of a zero


_JSON_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-99, 10**12), _PLAIN_TEXTS)
_JSON = st.one_of(
    _JSON_LEAVES,
    st.lists(_JSON_LEAVES, max_size=3),
    st.dictionaries(st.sampled_from(["a", "b", "Größe"]), _JSON_LEAVES, max_size=3),
)
_MOMENTS = st.one_of(
    st.sampled_from([dt.datetime(2026, 1, 31, 13, 45), dt.datetime(1999, 12, 31)]),  # noqa: DTZ001 - as above
    st.datetimes(_EARLIEST, dt.datetime(9999, 12, 30)).map(lambda found: found.replace(fold=0)),  # noqa: DTZ001 - as above
)
_STRATEGIES: Final[Mapping[Kind, st.SearchStrategy[Any]]] = {
    "boolean": st.booleans(),
    "float32": _floats(32),
    "float64": _floats(64),
    "date": st.one_of(st.dates(_EARLIEST.date()), st.sampled_from([dt.date(2024, 2, 29), dt.date.max])),
    "time": st.one_of(
        st.times().map(lambda found: found.replace(fold=0)),
        st.sampled_from([dt.time(), dt.time(13, 45), dt.time.max]),
    ),
    "timestamp": _MOMENTS,
    "timestamptz": _MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
    "json": _JSON.map(Json.of),
    "uuid": st.uuids(),
    "bytes": st.binary(max_size=6),
}
