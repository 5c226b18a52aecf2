"""Read files of delimited text."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.etl.loaders._base import Reading, Source, SourceFile
from services.etl.loaders._files import MAX_COLUMNS, Compression, FileColumn, FileLoader
from services.etl.loaders._header_rows import HeaderFill, HeaderRows, HeaderSeparator
from services.etl.pipeline import forms
from services.etl.previews.definition import PreviewResult, PreviewSpec

Token = Annotated[str, Field(max_length=64)]
Tokens = Annotated[list[Token], Field(max_length=20)]
Encoding = Literal[
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254",
    "iso-8859-1", "iso-8859-2", "iso-8859-15", "koi8-r", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr",
]  # fmt: skip
Sign = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[!-/:-@\[-`{-~]$")]
Delimiter = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[\t !#-&(-*,/:-@\[-`{-~]$")]
DecimalSign = Literal[".", ","]
ThousandsSign = Literal["", ",", ".", " ", "'"]


class CsvColumn(FileColumn):
    """A column of the file. What it doesn't say of its values' spelling is as the file's other columns."""

    null_tokens: Tokens = Field(
        default_factory=list, description="Further values of this column that mean NULL, in quotes or not."
    )
    true_tokens: Tokens | None = None
    false_tokens: Tokens | None = None
    decimal_sign: DecimalSign | None = None
    thousands_sign: ThousandsSign | None = None
    trim: bool | None = Field(default=None, description="Whether blanks around values are ignored.")


class Csv(FileLoader):
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
        {
            "pattern": "orders-*.csv.gz",
            "delimiter": ";",
            "decimal_sign": ",",
            "file_column": "source_file",
            "columns": [
                {"name": "order", "type": "int64", "nullable": False},
                {"name": "day", "type": "date", "format": "%d.%m.%Y", "on_error": "null"},
            ],
        },
    )

    class Params(FileLoader.Params):
        compression: Compression = "auto"
        encoding: Encoding = "utf-8"
        errors: Literal["reject", "replace"] = Field(
            default="reject",
            description=(
                "Bytes that don't fit the encoding cost their row in UTF-8 and the run in any other,"
                " or become U+FFFD."
            ),
        )
        delimiter: Delimiter = ","
        quote: Sign | None = Field(default='"', description="Without one, values can't hold the delimiter.")
        escape: Sign | None = Field(default=None, description="Sign before a quote inside of quotes.")
        skip_rows: int = Field(default=0, ge=0, le=10_000, description="Lines to leave out at the beginning.")
        header: bool = Field(default=True, description="Whether the first record names the columns.")
        header_rows: HeaderRows = 1
        header_separator: HeaderSeparator = " "
        header_fill: HeaderFill = False
        multi_line: bool = Field(
            default=True,
            description="Whether quoted values may hold line ends. Without, an open quote costs one row.",
        )
        comment: Sign | None = Field(
            default=None, description="Lines that begin with it are left out. Not together with multi_line."
        )
        max_record_mib: int = Field(
            default=2, ge=1, le=64, description="A longer record, in MiB, ends the run: a quote is open."
        )
        null_tokens: Tokens = Field(
            default_factory=lambda: [""], description="Unquoted values that mean NULL."
        )
        quoted_nulls: bool = Field(default=False, description="Whether quoted tokens mean NULL too.")
        true_tokens: Tokens = Field(default_factory=lambda: list(forms.TRUE_TOKENS))
        false_tokens: Tokens = Field(default_factory=lambda: list(forms.FALSE_TOKENS))
        decimal_sign: DecimalSign = "."
        thousands_sign: ThousandsSign = ""
        trim: bool = Field(default=False, description="Whether blanks around values are ignored.")
        empty_rows: Literal["skip", "keep"] = Field(
            default="skip", description="Records without a single value: counted as filtered, or kept."
        )
        columns: list[CsvColumn] = Field(
            min_length=1, max_length=MAX_COLUMNS, json_schema_extra={"x-widget": "file-columns"}
        )

        @model_validator(mode="after")
        def _signs_differ(self) -> "Csv.Params":
            signs = [sign for sign in (self.delimiter, self.quote, self.escape, self.comment) if sign]
            if len(set(signs)) != len(signs):
                raise PydanticCustomError("signs_equal", "delimiter, quote, escape and comment must differ")
            for column in (None, *self.columns):
                decimal, thousands = self.number_signs(column)
                if decimal == thousands:
                    raise PydanticCustomError("signs_equal", "decimal and thousands signs must differ")
            if self.comment and self.multi_line:
                raise PydanticCustomError(
                    "comment_in_values", "comments need multi_line off: a value could begin a line with one"
                )
            return self

        def number_signs(self, column: CsvColumn | None) -> tuple[str, str]:
            """The decimal and the thousands sign of a column."""
            decimal = column.decimal_sign if column else None
            thousands = column.thousands_sign if column else None
            return decimal or self.decimal_sign, self.thousands_sign if thousands is None else thousands

    params: Params

    @property
    def declared(self) -> Sequence[CsvColumn]:
        return self.params.columns

    @property
    def heading(self) -> int:
        """How many records of each file are its header."""
        return self.params.header_rows if self.params.header else 0

    def form_of(self, column: FileColumn) -> forms.TextForm:
        own = column if isinstance(column, CsvColumn) else CsvColumn(name=column.name, type=column.type)
        params = self.params
        decimal_sign, thousands_sign = params.number_signs(own)
        return forms.TextForm(
            true_tokens=tuple(params.true_tokens if own.true_tokens is None else own.true_tokens),
            false_tokens=tuple(params.false_tokens if own.false_tokens is None else own.false_tokens),
            decimal_sign=decimal_sign,
            thousands_sign=thousands_sign,
            format=column.format,
            timezone=column.timezone,
            trim=params.trim if own.trim is None else own.trim,
        )

    def open_file(self, file: SourceFile) -> Reading:
        from services.etl.loaders import _csv_reader

        return _csv_reader.CsvReading(self, file)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _csv_preview

        return _csv_preview.preview(spec, source.files[0])
