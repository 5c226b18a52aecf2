"""Join the values of several columns into one text."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from services.etl.columns import TEXT, Column, ColumnDuplicate, ColumnName, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults, require_one
from services.etl.handlers._template import Part, parts_of
from services.etl.pipeline.context import Context
from shared.errors import Invalid

if TYPE_CHECKING:
    from pandas import DataFrame


class MergeUnclear(Invalid):
    """Say either which columns are joined, or a template: {reason}."""


class MergeColumns(Handler):
    """Join the values of several columns into one text.

    Either `columns` with a `separator` between them, or a `template` such as `{street} {number}, {city}`,
    in which `{{` and `}}` stand for braces. Values of other types are spelled as `cast_types` spells them.
    A NULL is left out together with its separator, or makes the whole text NULL; where all values are NULL,
    the text is NULL in any case. The empty text is not NULL.
    """

    name = "merge_columns"
    examples = (
        {"columns": ["carrier", "flight"], "separator": "-", "into": "flight_name"},
        {"template": "{origin} to {dest}", "into": "trip", "keep": False},
    )

    class Params(Handler.Params):
        into: ColumnName = Field(description="The column that gets the text.")
        columns: list[ColumnName] = Field(
            default=[],
            max_length=1000,
            description="The columns to join, in order.",
            json_schema_extra={"x-widget": "columns"},
        )
        separator: str = Field(default=" ", max_length=100, description="What stands between two values.")
        template: str = Field(
            default="", max_length=2000, description="Text with columns in braces, instead of `columns`."
        )
        null: Literal["skip", "null"] = Field(
            default="skip", description="Leave a NULL out, or let it make the whole text NULL."
        )
        keep: bool = Field(default=True, description="Keep the columns that were joined.")

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        if bool(self.params.columns) == bool(self.params.template):
            reason = "both are given" if self.params.template else "neither is given"
            raise MergeUnclear(loc=("columns",), reason=reason)
        used = self._checked(columns)
        if self.params.into in columns and self.params.into not in self._used:
            raise ColumnDuplicate(loc=("into",), name=self.params.into)
        nullable = [column.nullable for column in used]
        merged = Column(
            name=self.params.into,
            type=TEXT,
            nullable=any(nullable) if self.params.null == "null" else all(nullable),
        )
        return columns.with_column(merged).without(self._dropped())

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":  # noqa: ARG002  the signature of all handlers
        from services.etl.handlers import _casts
        from services.etl.pipeline import frames

        texts = {name: _casts.as_text(frames.arrow_column(frame, name)) for name in self._used}
        frame = frames.with_column(frame, self.params.into, self._merged(texts))
        return frame.drop(columns=self._dropped())

    def _merged(self, texts: dict[str, Any]) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        separator, nulls = self.params.separator, "emit_null" if self.params.null == "null" else "replace"
        if self.params.template:
            pieces = [texts[part.column] if part.column else pa.scalar(part.text) for part in self._parts]
            merged = pc.binary_join_element_wise(*pieces, "", null_handling=nulls, null_replacement="")
        else:  # Arrow's own way to skip NULL loses the rows where all are NULL
            after = [pc.binary_join_element_wise(separator, texts[name], "") for name in self.params.columns]
            joined = pc.binary_join_element_wise(*after, "", null_handling=nulls, null_replacement="")
            merged = pc.utf8_slice_codeunits(joined, start=len(separator))
        known = [pc.is_valid(values) for values in texts.values()]
        for valid in known[1:]:
            known[0] = pc.or_(known[0], valid)
        return pc.if_else(known[0], merged, pa.scalar(None, pa.string()))

    @cached_property
    def _parts(self) -> list[Part]:
        return parts_of(self.params.template, loc=("template",))

    @cached_property
    def _used(self) -> list[str]:
        named = self.params.columns or [part.column for part in self._parts]
        return list(dict.fromkeys(name for name in named if name))

    def _dropped(self) -> list[str]:
        return [] if self.params.keep else [name for name in self._used if name != self.params.into]

    def _checked(self, columns: Columns) -> list[Column]:
        """The columns that are used, in order. Raises ColumnsUnfit with every place that is wrong."""
        faults, used = Faults(), list[Column]()
        for position, name in enumerate(self._used):
            loc = ("columns", position) if self.params.columns else ("template",)
            with faults.inside():
                used.append(require_one(columns, name, _has_text, wanted="a type with a text form", loc=loc))
        faults.complain()
        return used


def _has_text(kind: ColumnType) -> bool:
    return kind.kind != "bytes"
