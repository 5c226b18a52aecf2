"""Read files of delimited text."""

from contextlib import AbstractContextManager
from functools import cached_property
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.etl.columns import Column, ColumnName, Columns, ColumnTypeText
from services.etl.loaders._base import Loader, Reading, Source
from services.etl.pipeline import date_formats, forms
from services.etl.pipeline.timezones import TimeZoneName
from services.etl.previews.definition import PreviewResult, PreviewSpec

MAX_COLUMNS: Final = 2000
Token = Annotated[str, Field(max_length=64)]
Encoding = Literal["utf-8", "utf-16", "cp1250", "cp1251", "cp1252", "iso-8859-1", "gb18030", "shift_jis"]
Sign = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[!-/:-@\[-`{-~]$")]
Delimiter = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[\t !#-&(-*,/:-@\[-`{-~]$")]


class CsvColumn(BaseModel):
    """A column of the file: its name in the header, its type, and how its values are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ColumnName
    type: ColumnTypeText
    nullable: bool = True
    format: str | None = Field(
        default=None,
        max_length=80,
        description="Format of dates and times, as %d/%m/%Y; hex or base64 for bytes. ISO 8601 without.",
    )
    timezone: TimeZoneName | None = Field(default=None, description="Zone of times that are written without.")

    @model_validator(mode="after")
    def _readable(self) -> "CsvColumn":
        try:
            forms.TextForm(format=self.format).date_format(self.type)
        except date_formats.DateFormatUnknown as error:
            raise PydanticCustomError(error.code(), "{sentence}", {"sentence": str(error)}) from None
        return self


class Csv(Loader):
    """Read files of delimited text.

    The declared form is a contract: nothing is guessed while a run reads. A row with a value that is not of
    its column's type goes to the rejects with its record, line, column and reason. An unquoted NULL token is
    NULL; an empty text in quotes is not.
    """

    name = "csv"
    title = "CSV"
    examples = (
        {
            "file_id": "018f0000-0000-7000-8000-000000000000",
            "null_tokens": ["", "NA"],
            "columns": [{"name": "year", "type": "int16"}, {"name": "time_hour", "type": "timestamptz"}],
        },
    )

    class Params(Loader.Params):
        file_id: UUID = Field(json_schema_extra={"x-widget": "file"})
        encoding: Encoding = "utf-8"
        delimiter: Delimiter = ","
        quote: Sign | None = Field(default='"', description="Without one, values can't hold the delimiter.")
        escape: Sign | None = Field(default=None, description="Sign before a quote inside of quotes.")
        header: bool = Field(default=True, description="Whether the first record names the columns.")
        null_tokens: list[Token] = Field(
            default_factory=lambda: [""], max_length=20, description="Unquoted values that mean NULL."
        )
        quoted_nulls: bool = Field(default=False, description="Whether quoted tokens mean NULL too.")
        true_tokens: list[Token] = Field(default_factory=lambda: list(forms.TRUE_TOKENS), max_length=20)
        false_tokens: list[Token] = Field(default_factory=lambda: list(forms.FALSE_TOKENS), max_length=20)
        decimal_sign: Literal[".", ","] = "."
        thousands_sign: Literal["", ",", ".", " ", "'"] = ""
        trim: bool = Field(default=False, description="Whether blanks around values are ignored.")
        empty_rows: Literal["skip", "keep"] = Field(
            default="skip", description="Records without a single value: counted as filtered, or kept."
        )
        extra_columns: Literal["fail", "ignore"] = Field(
            default="fail", description="What to do when the file has columns that are not declared."
        )
        columns: list[CsvColumn] = Field(
            min_length=1, max_length=MAX_COLUMNS, json_schema_extra={"x-widget": "csv-columns"}
        )

        @field_validator("columns")
        @classmethod
        def _distinct(cls, columns: list[CsvColumn]) -> list[CsvColumn]:
            seen: set[str] = set()
            for column in columns:
                if column.name in seen:
                    facts = {"name": repr(column.name)}
                    raise PydanticCustomError("column_duplicate", "column {name} is declared twice", facts)
                seen.add(column.name)
            return columns

        @model_validator(mode="after")
        def _signs_differ(self) -> "Csv.Params":
            signs = [sign for sign in (self.delimiter, self.quote, self.escape) if sign is not None]
            if len(set(signs)) != len(signs):
                raise PydanticCustomError("signs_equal", "delimiter, quote and escape must differ")
            if self.decimal_sign == self.thousands_sign:
                raise PydanticCustomError("signs_equal", "decimal and thousands signs must differ")
            return self

    params: Params

    def columns_out(self) -> Columns:
        return self._columns

    @cached_property
    def _columns(self) -> Columns:
        return Columns(
            Column(name=column.name, type=column.type, nullable=column.nullable)
            for column in self.params.columns
        )

    def form_of(self, column: CsvColumn) -> forms.TextForm:
        """How the values of a column are spelled."""
        return forms.TextForm(
            true_tokens=tuple(self.params.true_tokens),
            false_tokens=tuple(self.params.false_tokens),
            decimal_sign=self.params.decimal_sign,
            thousands_sign=self.params.thousands_sign,
            format=column.format,
            timezone=column.timezone,
            trim=self.params.trim,
        )

    def open(self, source: Source) -> AbstractContextManager[Reading]:
        from services.etl.loaders import _csv_reader

        return _csv_reader.CsvReading(self, source.file)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _csv_preview

        return _csv_preview.preview(spec, source.file)
