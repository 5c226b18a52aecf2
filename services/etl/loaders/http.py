"""Read the answers of an HTTP API, page after page."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, LiteralString, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.etl.columns import ColumnName, Columns, Kind
from services.etl.loaders._base import Loader, Reading, Source
from services.etl.loaders._files import MAX_COLUMNS, ExtraColumn, ExtraColumns, FileLoader
from services.etl.loaders._http_params import (
    TOLD,
    Asking,
    Name,
    Pages,
    Rule,
    Value,
    complain,
)
from services.etl.loaders._json_params import RecordsPath, place_of
from services.etl.loaders.csv import Csv, DecimalSign, Delimiter, Encoding, Tokens
from services.etl.loaders.json import Json, JsonColumn
from services.etl.pipeline.errors import TypeMismatch
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.errors import Loc

CURSOR_KINDS: Final[frozenset[Kind]] = frozenset(
    {"int16", "int32", "int64", "decimal", "date", "timestamp", "timestamptz", "text", "varchar"}
)
_OF_CSV: Final = ("encoding", "delimiter", "decimal_sign", "null_tokens")
_NO_FILE: Final = str(UUID(int=0))


class Http(Loader):
    """Read the answers of an HTTP API, page after page.

    The resource knows the address and who asks. Each page is an answer of JSON, JSON Lines or CSV, read as a
    file of that form is: numbers as they are written, and a value that is not of its column's type costs its
    row, which is told with its page and record. A page that comes again ends the run, and so does one that
    can't be had after all attempts: nothing is left out silently. Only with paging by cursor, link or next
    URL can an API keep rows from moving to another page while they are read. Requests may be sent again,
    those by POST too.
    """

    name = "http"
    title = "HTTP API"
    resource_types: ClassVar[tuple[str, ...]] = ("http",)
    examples = (
        {
            "resource_id": "018f0000-0000-7000-8000-000000000000",
            "path": "/orders",
            "records_path": "data",
            "paging": "cursor",
            "next_path": "meta.next_cursor",
            "size_parameter": "limit",
            "page_size": 200,
            "columns": [
                {"name": "id", "type": "int64", "nullable": False},
                {"name": "city", "type": "text", "path": "address.city"},
                {"name": "updated_at", "type": "timestamptz", "nullable": False},
            ],
            "cursor_column": "updated_at",
            "cursor_parameter": "updated_since",
        },
        {
            "resource_id": "018f0000-0000-7000-8000-000000000000",
            "path": "/export.csv",
            "format": "csv",
            "delimiter": ";",
            "columns": [{"name": "sku", "type": "text"}, {"name": "price", "type": "decimal(10,2)"}],
        },
    )

    class Params(Pages, Asking):
        format: Literal["json", "json_lines", "csv"] = Field(
            default="json", description="json is one array of objects, by itself or inside of an object."
        )
        records_path: RecordsPath | None = Field(
            default=None,
            description="Where in the answer the array lies, as data.items; without it the answer is it.",
        )
        columns: list[JsonColumn] = Field(
            min_length=1, max_length=MAX_COLUMNS, json_schema_extra={"x-widget": "file-columns"}
        )
        extra_columns: ExtraColumns = Field(
            default="ignore",
            description=(
                "What to do when records have keys that are not declared: end the run, leave them out, or"
                " collect their values in extra_column."
            ),
        )
        extra_column: ExtraColumn = None
        missing: Literal["null", "reject"] = Field(
            default="null", description="What a key that a record lacks means: NULL, or a rejected row."
        )
        encoding: Encoding = Field(default="utf-8", description="For csv.")
        delimiter: Delimiter = Field(default=",", description="For csv.")
        decimal_sign: DecimalSign = Field(default=".", description="For csv.")
        null_tokens: Tokens = Field(
            default_factory=lambda: [""], description="For csv: unquoted values that mean NULL."
        )
        cursor_column: ColumnName | None = Field(
            default=None,
            description=(
                "Read only what is new: the greatest value of this column is kept, and sent by the next run."
            ),
            json_schema_extra={"x-widget": "column", "x-column-types": [*map(str, sorted(CURSOR_KINDS))]},
        )
        cursor_parameter: Name | None = Field(
            default=None,
            description="Parameter that carries it. An API may give that value's rows again.",
        )
        cursor_start: Value | None = Field(default=None, description="What the first run sends for it.")

        @model_validator(mode="after")
        def _fit_together(self) -> Self:
            complain(list(self._rules_of_format()))
            self._check_parameters()
            return self

        def _rules_of_format(self) -> Iterator[Rule]:
            json, text = self.format == "json", self.format == "csv"
            sentence: LiteralString = "only an answer of JSON tells where the next page is"
            yield self.paging in TOLD and not json, "paging_unfit", sentence
            yield self.records_path is not None and not json, "path_unfit", "only json has a records_path"
            paths = any(column.path is not None for column in self.columns)
            yield text and paths, "path_unfit", "columns of csv have no path"
            sentence = "cursor_column and cursor_parameter come together"
            yield (self.cursor_column is None) != (self.cursor_parameter is None), "cursor_unfit", sentence
            alone = self.cursor_start is not None and self.cursor_column is None
            yield alone, "cursor_unfit", "cursor_start needs a cursor_column"

        def _check_parameters(self) -> None:
            names = [*self.query, *self._added()] if self.parameters_in == "query" else list(self._added())
            for name in names:
                if names.count(name) > 1:
                    facts = {"name": name}
                    raise PydanticCustomError("parameter_twice", "{name} would be sent twice", facts)
            if self.parameters_in == "body":
                for name in names:
                    if not all(isinstance(key, str) for key in place_of(name)):
                        raise PydanticCustomError("json_path_invalid", "a path into the body is of keys")

        def _added(self) -> Iterator[str]:
            if self.paging in {"page", "offset", "cursor"}:
                yield self.named
            yield from filter(None, (self.size_parameter, self.cursor_parameter))

        def of_page(self) -> dict[str, Any]:
            """The parameters of the loader of files that reads a page."""
            columns = [column.model_dump(mode="json", exclude_unset=True) for column in self.columns]
            extra = {"extra_columns": self.extra_columns, "extra_column": self.extra_column}
            shared = {"file_id": _NO_FILE, "columns": columns} | extra
            if self.format == "csv":
                return shared | {name: getattr(self, name) for name in _OF_CSV}
            layout = "lines" if self.format == "json_lines" else "array"
            return shared | {"layout": layout, "records_path": self.records_path, "missing": self.missing}

    params: Params

    @classmethod
    def of(cls, params: Mapping[str, Any], *, loc: Loc = ()) -> Self:
        """As for every step; also checks what concerns the columns, each at its place."""
        made = super().of(params, loc=loc)
        made.page_loader(loc=loc)
        if (name := made.params.cursor_column) is not None:
            column = made.columns_out().get(name, loc=(*loc, "cursor_column"))
            if column.type.kind not in CURSOR_KINDS:
                raise TypeMismatch(
                    loc=(*loc, "cursor_column"), column=name, given=column.type,
                    wanted=", ".join(sorted(CURSOR_KINDS)), hint="choose another column",
                )  # fmt: skip
        return made

    def page_loader(self, *, loc: Loc = ()) -> FileLoader:
        """What reads the answers. Raises ParamsInvalid."""
        kind: type[FileLoader] = Csv if self.params.format == "csv" else Json
        return kind.of(self.params.of_page(), loc=loc)

    def columns_out(self) -> Columns:
        return self._columns

    @cached_property
    def _columns(self) -> Columns:
        return self.page_loader().columns_out()

    def open(self, source: Source) -> Reading:
        from services.etl.loaders import _http_reading

        return _http_reading.HttpReading(self, source)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _http_preview

        return _http_preview.preview(spec, source)
