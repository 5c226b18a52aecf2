"""Read Parquet files."""

from collections.abc import Sequence

from pydantic import Field

from services.etl.loaders._base import Reading, Source, SourceFile
from services.etl.loaders._files import MAX_COLUMNS, FileColumn, FileLoader
from services.etl.previews.definition import PreviewResult, PreviewSpec


class Parquet(FileLoader):
    """Read Parquet files.

    Only the declared columns are read, in row groups. Values keep their exact types: a nanosecond that a
    microsecond can't hold, an unsigned number beyond the column's range or a NaN costs its row. Structs,
    lists and maps become JSON, whose bytes are base64 and whose times are ISO 8601.
    """

    name = "parquet"
    title = "Parquet"
    examples = (
        {
            "pattern": "events-*.parquet",
            "extra_columns": "ignore",
            "columns": [
                {"name": "id", "type": "int64", "nullable": False},
                {"name": "amount", "type": "decimal(18,2)"},
                {"name": "at", "type": "timestamptz", "timezone": "Europe/Berlin"},
            ],
        },
        {
            "resource_id": "018f0000-0000-7000-8000-000000000000",
            "pattern": "events/day=2026-*/part-*.parquet",
            "file_column": "object",
            "columns": [{"name": "id", "type": "int64", "nullable": False}],
            "extra_columns": "ignore",
        },
    )

    streamed = False

    class Params(FileLoader.Params):
        columns: list[FileColumn] = Field(
            min_length=1, max_length=MAX_COLUMNS, json_schema_extra={"x-widget": "file-columns"}
        )

    params: Params

    @property
    def declared(self) -> Sequence[FileColumn]:
        return self.params.columns

    def open_file(self, file: SourceFile) -> Reading:
        from services.etl.loaders import _parquet_reader

        return _parquet_reader.ParquetReading(self, file)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _parquet_preview

        return _parquet_preview.preview(spec, source.files[0])
