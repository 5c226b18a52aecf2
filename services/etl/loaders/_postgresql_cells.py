"""What COPY sends as CSV, parsed to Arrow: typed at once where PostgreSQL's type allows, else as texts."""

import re
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as arrow_csv

from services.etl.columns import Column, Kind
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import KeyColumn
from services.etl.loaders._database_session import Selection, Session
from services.etl.loaders._database_sql import FoundColumn, SourceSql
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.errors import SourceInvalid

_MODIFIERS: Final = re.compile(r"\(\d+(,\d+)?\)")
_WHOLE: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal"})
_TYPED: Final[dict[str, frozenset[Kind]]] = {
    "smallint": _WHOLE,
    "integer": _WHOLE,
    "bigint": _WHOLE,
    "numeric": frozenset({"decimal"}),
    "real": frozenset({"float32", "float64"}),
    "double precision": frozenset({"float64"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "time without time zone": frozenset({"time"}),
    "timestamp without time zone": frozenset({"timestamp"}),
    "timestamp with time zone": frozenset({"timestamptz"}),
    "jsonb": frozenset({"json"}),
    "uuid": frozenset({"uuid"}),
}
"""Kinds that the parser may make of a type's texts: what it takes for such a value is one."""

_NEVER_EMPTY: Final = frozenset({*_TYPED, "json", "bytea", "inet", "cidr", "interval"})


def base(spelled: str) -> str:
    """A type's name without precision, scale or length."""
    return _MODIFIERS.sub("", spelled)


class Plan:
    """The statement for COPY, and how its answer is parsed.

    `quoted` columns come in quotes, so that NULL, which does not, and an empty text differ.
    """

    def __init__(self, session: Session, selection: Selection) -> None:
        sql = session.sql
        wanted = [(column, selection.found[column.name]) for column in selection.columns]
        names = [f"c{position}" for position in range(len(wanted))]
        selected = [
            f"{_expression(sql, column, found)} AS {name}"
            for name, (column, found) in zip(names, wanted, strict=True)
        ]
        bare = [base(found.spelled) for _, found in wanted]
        self.quoted = [name for name, kind in zip(names, bare, strict=True) if kind not in _NEVER_EMPTY]
        texts = dict.fromkeys(names, pa.string())
        typed = {
            name: arrow_type(column.type)
            for name, (column, _), kind in zip(names, wanted, bare, strict=True)
            if column.type.kind in _TYPED.get(kind, frozenset())
        }
        self._of_key = list[int]()
        for column in selection.key.columns if selection.key else ():
            at = _same_text(column, wanted, typed)
            if at is None:
                at = len(names)
                names.append(f"c{at}")
                selected.append(f"{session.key_sql.selected(column)} AS {names[at]}")
                texts[names[at]] = pa.string()
            self._of_key.append(at)
        self.statement = f"{session.select(selected, selection)}\n"
        self._wanted = len(wanted)
        self._names = names
        self._typed = _conversion(texts | typed)
        self._texts = _conversion(texts)

    def parsed(self, block: bytes) -> Raw:
        """The rows of a block. Where one value isn't of its type, the whole block is parsed as texts."""
        try:
            table = self._read(block, self._typed)
        except pa.ArrowInvalid:
            try:
                table = self._read(block, self._texts)
            except pa.ArrowInvalid as error:
                raise SourceInvalid(reason="the server sent something else than CSV") from error
        last = tuple(str(table.column(at)[-1].as_py()) for at in self._of_key if len(table))
        return Raw([_whole(column) for column in table.columns[: self._wanted]], last=last)

    def _read(self, block: bytes, conversion: Any) -> Any:
        return arrow_csv.read_csv(
            pa.BufferReader(block),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=len(block) + 1, column_names=self._names
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=conversion,
        )


def _same_text(
    column: KeyColumn, wanted: list[tuple[Column, FoundColumn]], typed: dict[str, Any]
) -> int | None:
    """Where a column of the key comes anyway, as a text or number that spells the key's value."""
    for at, (_, found) in enumerate(wanted):
        if found.name == column.name and pa.types.is_integer(typed.get(f"c{at}", pa.int64())):
            return at
    return None


def _expression(sql: SourceSql, column: Column, found: FoundColumn) -> str:
    name, kind = sql.quote(found.name), base(found.spelled)
    if kind == "boolean" and column.type.is_text:
        return f"{name}::text"
    if kind == "real" and column.type.kind != "float32":
        return f"{name}::float8"
    return name


def _conversion(types: dict[str, Any]) -> Any:
    return arrow_csv.ConvertOptions(
        column_types=types,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )


def _whole(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
