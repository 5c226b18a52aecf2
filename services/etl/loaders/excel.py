"""Read workbooks of Excel."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.etl.loaders._base import Reading, Source, SourceFile
from services.etl.loaders._excel_cells import area_of
from services.etl.loaders._files import MAX_COLUMNS, FileColumn, FileLoader
from services.etl.loaders._header_rows import HeaderFill, HeaderRows, HeaderSeparator
from services.etl.previews.definition import PreviewResult, PreviewSpec

Token = Annotated[str, Field(max_length=64)]


class Excel(FileLoader):
    """Read workbooks of Excel: .xlsx and .xlsm.

    Cells have types of their own: numbers, texts, dates, true and false. A cell that shows an error costs
    its row, an empty one is NULL. Numbers are the doubles that a workbook stores: as a decimal or a text one
    has the 15 digits that Excel computes and shows. Of merged cells the first has the value. A workbook is
    held in memory, so it may not have more than 8 million cells: larger tables are better saved as CSV.
    """

    name = "excel"
    title = "Excel"
    examples = (
        {
            "file_id": "018f0000-0000-7000-8000-000000000000",
            "sheet": "Orders",
            "cells": "B3:F",
            "columns": [
                {"name": "order", "type": "int64", "nullable": False},
                {"name": "amount", "type": "decimal(14,2)"},
                {"name": "day", "type": "date"},
            ],
        },
    )

    streamed = False

    class Params(FileLoader.Params):
        sheet: str | None = Field(
            default=None,
            min_length=1,
            max_length=255,
            description="Name of the sheet; the first without one.",
        )
        cells: str | None = Field(
            default=None,
            max_length=30,
            pattern=r"^[A-Z]{1,3}[1-9][0-9]{0,6}(:[A-Z]{1,3}([1-9][0-9]{0,6})?)?$",
            description="Where the table lies, with its header: B3:F200, B3:F to the last row, or B3 alone.",
        )
        header: bool = Field(default=True, description="Whether the first row names the columns.")
        header_rows: HeaderRows = 1
        header_separator: HeaderSeparator = " "
        header_fill: HeaderFill = False
        null_tokens: list[Token] = Field(
            default_factory=list, max_length=20, description="Texts that mean NULL, as an empty cell does."
        )
        trim: bool = Field(default=False, description="Whether blanks around texts are ignored.")
        columns: list[FileColumn] = Field(
            min_length=1, max_length=MAX_COLUMNS, json_schema_extra={"x-widget": "file-columns"}
        )

        @model_validator(mode="after")
        def _cells_in_order(self) -> "Excel.Params":
            area = area_of(self.cells)
            if not (area.first_row <= area.last_row and area.first_column <= area.last_column):
                raise PydanticCustomError("cells_invalid", "the range of cells ends before it begins")
            return self

    params: Params

    @property
    def declared(self) -> Sequence[FileColumn]:
        return self.params.columns

    def open_file(self, file: SourceFile) -> Reading:
        from services.etl.loaders import _excel_reader

        return _excel_reader.ExcelReading(self, file)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _excel_preview

        return _excel_preview.preview(spec, source.files[0])
