"""Texts that are nearly values of some type, and the types that casts are tried between."""

from hypothesis import strategies as st

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.dialects.casts import castable

TEXT = ColumnType("text")
_SIZED = [
    ColumnType("varchar", length=3),
    ColumnType("varchar", length=40),
    ColumnType("decimal", precision=5, scale=2),
    ColumnType("decimal", precision=3, scale=3),
    ColumnType("decimal", precision=38, scale=0),
]
TYPES = [ColumnType(kind) for kind in KINDS if kind not in {"varchar", "decimal"}] + _SIZED
FROM_TEXT = [kind for kind in TYPES if castable(TEXT, kind) and not kind.is_text]
_NUMBERS = ["0", "1", "9", "12", "28", "29", "30", "31", "60", "0000", "0001", "1900", "2000", "2024", "9999"]
_PARTS = st.sampled_from([*_NUMBERS, *"-+.: TZe航\n", "true", "false", "a0"])
ODD_TEXTS = st.one_of(
    st.lists(_PARTS, max_size=9).map("".join),
    st.integers(-(2**65), 2**65).map(str),
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.dates().map(str),
    st.times().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.timezones()).map(str),
    st.from_regex(
        r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?)?"
        r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?\Z"
    ),
    st.uuids().map(str),
    st.uuids().map(lambda value: value.hex.upper()),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6),
)
