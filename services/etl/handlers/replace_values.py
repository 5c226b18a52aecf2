"""Replace values, or parts of texts, by others."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column, ColumnName, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults, is_text, require
from services.etl.pipeline import literals
from services.etl.pipeline.conditions import check_pattern
from services.etl.pipeline.context import Context
from services.etl.pipeline.literals import literal
from shared.errors import Invalid, Loc

if TYPE_CHECKING:
    from pandas import DataFrame

    from services.etl.pipeline.casting import Cast


class FoundTwice(Invalid):
    """Two rules look for the same value."""


class ReplacementInvalid(Invalid):
    """The rule can't be used: {reason}."""


class Replacement(BaseModel):
    """What to look for, and what to put in its place. NULL is nothing given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    find: literals.Literal | None = None
    put: literals.Literal | None = None


class ReplaceValues(Handler):
    r"""Replace values, or parts of texts, by others.

    With `match: value` whole values are looked up, all at once, so that two can change places; `find: null`
    finds NULL and `put: null` puts it. With `part` each occurrence of a text is replaced, with `pattern`
    each match of a regular expression as RE2 knows it; `\1` in `put` stands for its first group. Those rules
    work one after the other, each on what the one before has left. Types stay: cast afterwards where the new
    values have another one.
    """

    name = "replace_values"
    examples = (
        {"columns": ["origin"], "rules": [{"find": "NYC", "put": "JFK"}, {"find": "", "put": None}]},
        {"columns": ["status"], "rules": [{"find": "a", "put": "active"}], "others": "reject"},
        {
            "columns": ["phone"],
            "match": "pattern",
            "rules": [{"find": "^00([1-9])", "put": "+\\1"}, {"find": "[ /-]", "put": ""}],
        },
    )

    class Params(Handler.Params):
        columns: list[ColumnName] = Field(
            min_length=1,
            max_length=1000,
            description="The columns to work on.",
            json_schema_extra={"x-widget": "columns"},
        )
        match: Literal["value", "part", "pattern"] = Field(
            default="value", description="Whole values, parts of texts, or matches of a regular expression."
        )
        rules: list[Replacement] = Field(
            min_length=1, max_length=1000, json_schema_extra={"x-widget": "rules"}
        )
        case_sensitive: bool = True
        others: Literal["keep", "null", "reject"] = Field(
            default="keep", description="What becomes of values that no rule names, for `match: value`."
        )

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY

    def columns_out(self, columns: Columns) -> Columns:
        whole = self.params.match == "value"
        fits = _has_values if whole else is_text
        wanted = "a type of plain values" if whole else "text"
        chosen = require(columns, self.params.columns, fits, wanted=wanted, loc=("columns",))
        faults = Faults()
        for position, rule in enumerate(self.params.rules):
            with faults.inside():
                if whole:
                    self._check_values(rule, chosen, ("rules", position))
                else:
                    _check_texts(rule, self.params.match, ("rules", position))
        faults.complain()
        if whole:
            self._check_doubles(chosen)
        self._columns = columns
        return Columns(
            column.model_copy(update={"nullable": self._nullable(column)})
            if column.name in self.params.columns
            else column
            for column in columns
        )

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _casts
        from services.etl.pipeline import frames

        casts = {}
        for name in self.params.columns:
            kind = self._columns.get(name).type
            cast = self._replaced(frames.arrow_column(frame, name), kind)
            casts[name] = (cast, str(kind))
        return _casts.settled(frame, casts, context)

    def _replaced(self, array: Any, kind: ColumnType) -> "Cast":
        from services.etl.handlers import _text
        from services.etl.pipeline import casting

        if self.params.match != "value":
            pattern, exact = self.params.match == "pattern", self.params.case_sensitive
            texts = _text.replaced(array, self.params.rules, pattern=pattern, case_sensitive=exact)
            return casting.within_limits(casting.Cast(texts), kind, shown=array)
        finds, puts = self._arrays(kind)
        values, found = _text.mapped(array, finds, puts, case_sensitive=self.params.case_sensitive)
        return self._others(array, values, found)

    def _others(self, array: Any, values: Any, found: Any) -> "Cast":
        import pyarrow as pa
        import pyarrow.compute as pc

        from services.etl.pipeline import casting

        if self.params.others == "keep":
            return casting.Cast(values)
        cast = casting.Cast(pc.if_else(found, values, pa.scalar(None, values.type)))
        if self.params.others == "reject":
            unknown = casting.rows_where(pc.and_(pc.invert(found), pc.is_valid(array)))
            shown = [casting.display(array[row]) for row in unknown]
            cast.bad = [
                casting.BadCell(row, value, "value_unknown", "is none of the values that are known")
                for row, value in zip(unknown, shown, strict=True)
            ]
        return cast

    def _arrays(self, kind: ColumnType) -> tuple[Any, Any]:
        import pyarrow as pa

        from services.etl.pipeline.arrow_types import arrow_type

        finds = [_value(rule.find, kind, ()) for rule in self.params.rules]
        puts = [_value(rule.put, kind, ()) for rule in self.params.rules]
        return pa.array(finds, arrow_type(kind)), pa.array(puts, arrow_type(kind))

    def _check_values(self, rule: Replacement, chosen: list[Column], loc: Loc) -> None:
        for column in chosen:
            _value(rule.find, column.type, (*loc, "find"))
            _value(rule.put, column.type, (*loc, "put"))

    def _check_doubles(self, chosen: list[Column]) -> None:
        for kind in {column.type for column in chosen}:
            seen = set[Any]()
            for position, rule in enumerate(self.params.rules):
                value = _value(rule.find, kind, ("rules", position, "find"))
                if isinstance(value, str) and not self.params.case_sensitive:
                    value = value.lower()
                if value in seen:
                    raise FoundTwice(loc=("rules", position, "find"))
                seen.add(value)

    def _nullable(self, column: Column) -> bool:
        if self.params.match != "value":
            return column.nullable
        if self._puts_null or self.params.others == "null":
            return True
        return column.nullable and all(rule.find is not None for rule in self.params.rules)

    @cached_property
    def _puts_null(self) -> bool:
        return any(rule.put is None for rule in self.params.rules)


def _has_values(kind: ColumnType) -> bool:
    return kind.kind != "json"


def _value(value: literals.Literal | None, kind: ColumnType, loc: Loc) -> Any:
    return None if value is None else literal(value, kind, loc=loc)


def _check_texts(rule: Replacement, match: str, loc: Loc) -> None:
    if not isinstance(rule.find, str) or not rule.find:
        raise ReplacementInvalid(loc=(*loc, "find"), reason="it looks for a text of at least one character")
    if not isinstance(rule.put, str) or "\x00" in rule.put:
        raise ReplacementInvalid(loc=(*loc, "put"), reason="it puts a text, which may be empty")
    if match == "pattern":
        _check_rewrite(rule.find, rule.put, loc)


def _check_rewrite(pattern: str, rewrite: str, loc: Loc) -> None:
    import re2

    check_pattern(pattern, loc=(*loc, "find"))
    groups = re2.compile(pattern).groups
    for position, character in enumerate(_after_backslashes(rewrite)):
        if character != "\\" and not (character.isascii() and character.isdigit()):
            reason = "after a backslash stands the number of a group or a second backslash"
        elif character.isdigit() and int(character) > groups:
            reason = f"the pattern has {groups} groups, there is no group {character}"
        else:
            continue
        raise ReplacementInvalid(loc=(*loc, "put"), reason=f"{reason} (backslash {position + 1})")


def _after_backslashes(rewrite: str) -> list[str]:
    """The character after each backslash that is not itself escaped."""
    found, position = list[str](), 0
    while position < len(rewrite):
        if rewrite[position] == "\\":
            found.append(rewrite[position + 1 : position + 2])
            position += 1
        position += 1
    return found
