"""What loaders of files have in common: which files, their columns, and what becomes of what doesn't fit."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.etl.columns import TEXT, Column, ColumnName, Columns, ColumnType, ColumnTypeText
from services.etl.loaders._base import Loader, Reading, Source, SourceFile
from services.etl.pipeline import date_formats, forms
from services.etl.pipeline.timezones import TimeZoneName
from services.etl.previews.definition import PreviewResult, PreviewSpec

MAX_COLUMNS: Final = 2000

Compression = Literal["auto", "none", "gzip", "zstd", "bz2"]
"""How the bytes of a file are packed; auto tells by the file's first bytes."""

ExtraColumns = Literal["fail", "ignore", "collect"]
"""What becomes of columns that are not declared: they end the run, are left out, or are kept as JSON."""


def _for_collecting(name: str | None, info: ValidationInfo) -> str | None:
    choice = info.data.get("extra_columns")
    if choice is not None and (choice == "collect") != (name is not None):
        raise PydanticCustomError(
            "extra_column_choice", "extra_column is for extra_columns: collect, which needs it"
        )
    if name is not None and name == info.data.get("file_column"):
        raise PydanticCustomError("column_duplicate", "column {name} is declared twice", {"name": repr(name)})
    return name


ExtraColumn = Annotated[
    ColumnName | None,
    AfterValidator(_for_collecting),
    Field(
        validate_default=True,
        description=(
            "A further json column, after the declared ones: an object of the values that are collected, by"
            " the names of their columns, or NULL where a row has none."
        ),
    ),
]
"""The name of the column that collects; it stands behind `extra_columns` in the parameters."""


class FileColumn(BaseModel):
    """A column of a file: its name there, its type, and how its values are written."""

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
    on_error: Literal["reject", "null", "fail"] = Field(
        default="reject",
        description=(
            "What a value that is not of the type costs: its row, the value alone, which becomes NULL, or the"
            " whole run."
        ),
    )

    @model_validator(mode="after")
    def _readable(self) -> "FileColumn":
        try:
            forms.TextForm(format=self.format).date_format(self.type)
        except date_formats.DateFormatUnknown as error:
            raise PydanticCustomError(error.code(), "{sentence}", {"sentence": str(error)}) from None
        if self.on_error == "null" and not self.nullable:
            raise PydanticCustomError("null_not_allowed", "a bad value can't become NULL: nullable is false")
        return self


class FileLoader(Loader):
    """Reads uploaded files: one by its id, or all whose names fit a pattern, in the order of their names; or
    the objects of a bucket whose keys fit a pattern, in the order of their keys.

    A subclass has `columns` among its parameters, opens one file at a time in `open_file`, and gives rows of
    exactly `columns_read`; numbers over all files, the column of their names and the choice of records are
    added to it here.
    """

    resource_types: ClassVar[tuple[str, ...]] = ("s3",)
    packed: ClassVar[bool] = True
    """Whether files may be compressed as a whole."""

    streamed: ClassVar[bool] = True
    """Whether the beginning of a file can be read without its end."""

    class Params(Loader.Params):
        file_id: UUID | None = Field(
            default=None, description="The file, or give a pattern.", json_schema_extra={"x-widget": "file"}
        )
        resource_id: UUID | None = Field(
            default=None,
            description="A bucket, whose objects are read instead of uploaded files.",
            json_schema_extra={"x-widget": "resource"},
        )
        pattern: str | None = Field(
            default=None,
            min_length=1,
            max_length=1024,
            description=(
                "Names of files, as orders-*.csv: all of them are read, in the order of their names. In a"
                " bucket keys of objects, as orders/*/part-*.csv, where ** goes through all folders."
            ),
        )
        file_column: ColumnName | None = Field(
            default=None, description="A further column, at the end, with the name of each row's file."
        )
        extra_columns: ExtraColumns = Field(
            default="fail",
            description=(
                "What to do when a file has columns that are not declared: end the run, leave them out, or"
                " collect their values in extra_column."
            ),
        )
        extra_column: ExtraColumn = None

        @field_validator("header", check_fields=False)
        @classmethod
        def _named(cls, header: bool, info: ValidationInfo) -> bool:
            if not header and info.data.get("extra_column") is not None:
                raise PydanticCustomError(
                    "extra_columns_unnamed", "without a header, columns to collect have no names"
                )
            return header

        @field_validator("columns", check_fields=False)
        @classmethod
        def _distinct(cls, columns: list[Any], info: ValidationInfo) -> list[Any]:
            seen = {info.data.get("file_column"), info.data.get("extra_column")}
            for column in columns:
                if column.name in seen:
                    facts = {"name": repr(column.name)}
                    raise PydanticCustomError("column_duplicate", "column {name} is declared twice", facts)
                seen.add(column.name)
            return columns

        @model_validator(mode="after")
        def _one_choice(self) -> "FileLoader.Params":
            if (self.file_id is None) == (self.pattern is None):
                raise PydanticCustomError("file_choice", "give either file_id or pattern")
            if self.resource_id is not None and self.pattern is None:
                raise PydanticCustomError("file_choice", "objects of a bucket are named by a pattern")
            return self

    params: Params

    @property
    @abstractmethod
    def declared(self) -> Sequence[FileColumn]:
        """The columns of each file."""

    @cached_property
    def columns_read(self) -> Sequence[FileColumn]:
        """The columns that `open_file` gives: those declared, and the one that collects all others."""
        name = self.params.extra_column
        collected = [] if name is None else [FileColumn(name=name, type=ColumnType("json"))]
        return [*self.declared, *collected]

    @property
    def compression(self) -> Compression:
        """How the files are packed."""
        return getattr(self.params, "compression", "none")

    def columns_out(self) -> Columns:
        return self._columns

    @cached_property
    def _columns(self) -> Columns:
        columns = [
            Column(name=read.name, type=read.type, nullable=read.nullable) for read in self.columns_read
        ]
        if self.params.file_column is not None:
            columns.append(Column(name=self.params.file_column, type=TEXT, nullable=False))
        return Columns(columns)

    def form_of(self, column: FileColumn) -> forms.TextForm:
        """How the values of a column are spelled."""
        return forms.TextForm(format=column.format, timezone=column.timezone)

    @abstractmethod
    def open_file(self, file: SourceFile) -> Reading:
        """Open one file: its reading gives `columns_read`, numbered within the file."""

    def open(self, source: Source) -> Reading:
        from services.etl.loaders import _files_reading

        return _files_reading.FilesReading(self, source)

    @classmethod
    def looked_at(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        if source.connection is None:
            return super().looked_at(spec, source)
        from services.etl.loaders import _bucket_preview

        return _bucket_preview.preview(cls, spec, source)
