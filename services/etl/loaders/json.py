"""Read files of JSON Lines, or of one JSON array."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final, Literal

from pydantic import Field, model_validator

from services.etl.loaders._base import Reading, Source, SourceFile
from services.etl.loaders._files import MAX_COLUMNS, Compression, FileColumn, FileLoader
from services.etl.loaders._json_params import RecordsPath, place_of
from services.etl.pipeline.json_paths import JsonPath
from services.etl.previews.definition import PreviewResult, PreviewSpec

PATH: Final = 'as address.city, items[0].sku or "name with dots".x'


class JsonColumn(FileColumn):
    """A column: the key of each record that has its name, or what lies at a path."""

    path: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description=f"Where the value lies, {PATH}; without it under the column's name.",
    )

    @model_validator(mode="after")
    def _path_is_one(self) -> "JsonColumn":
        place_of(self.path)
        return self

    @cached_property
    def place(self) -> JsonPath:
        """Where the value lies in a record."""
        return (self.name,) if self.path is None else place_of(self.path)


class Json(FileLoader):
    """Read files of JSON Lines, or of one JSON array.

    Each object is a row. Numbers are taken as they are written, never through a float. A line that is no
    JSON, an object with a key twice, or a value that is not of its column's type costs one row; an array
    that is broken ends the run, as nobody knows where its next record begins.
    """

    name = "json"
    title = "JSON"
    examples = (
        {
            "file_id": "018f0000-0000-7000-8000-000000000000",
            "columns": [
                {"name": "id", "type": "int64", "nullable": False},
                {"name": "city", "type": "text", "path": "address.city"},
                {"name": "tags", "type": "json"},
            ],
        },
    )

    class Params(FileLoader.Params):
        compression: Compression = "auto"
        layout: Literal["lines", "array"] = Field(
            default="lines", description="An object on each line, or one array of objects."
        )
        records_path: RecordsPath | None = Field(
            default=None,
            description="Where in the file the array lies, as data.items; without it the file is the array.",
        )
        encoding: Literal["utf-8", "utf-16"] = "utf-8"
        missing: Literal["null", "reject"] = Field(
            default="null", description="What a key that a record lacks means: NULL, or a rejected row."
        )
        columns: list[JsonColumn] = Field(
            min_length=1, max_length=MAX_COLUMNS, json_schema_extra={"x-widget": "file-columns"}
        )

    params: Params

    @property
    def array_place(self) -> Sequence[str]:
        """The keys under which the array of records lies."""
        return [str(key) for key in place_of(self.params.records_path)]

    @property
    def declared(self) -> Sequence[JsonColumn]:
        return self.params.columns

    def open_file(self, file: SourceFile) -> Reading:
        from services.etl.loaders import _json_reader

        return _json_reader.JsonReading(self, file)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _json_preview

        return _json_preview.preview(spec, source)
