"""Write the rows to a file."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from services.etl.columns import Columns
from services.etl.destinations import _file_names
from services.etl.destinations._base import DestinationStep
from services.etl.pipeline.definition import FileForm, FileFormat, FilePacking, Overwrite, TargetTable
from shared.errors import Fault, Invalid
from shared.identifiers import ResourceId

NULL_TOKENS = Literal["", "\\N", "NULL", "null", "NA"]
_OF_CSV: Final = ("delimiter", "header", "null_token", "line_end")
_ENDINGS: Final[Mapping[str, Literal["gzip", "zstd"]]] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd"}


class OptionOfCsv(Invalid):
    """{option!r} has no meaning with the format {format!r}."""


class FileSave(DestinationStep):
    """Write the rows to a file, with exactly-once effect.

    The file is there as a whole, or not at all: under its name it takes the place of the one before in one
    moment. Without a bucket it is one of the tenant's files, as if it had been uploaded: it can be
    downloaded, and other tasks can read it. Values are exact: decimals stay decimals, NULL is not an empty
    text.
    """

    name = "file_save"
    examples = (
        {"name": "orders.parquet"},
        {"name": "orders-{date}.csv.gz", "format": "csv", "delimiter": ";", "null_token": "\\N"},
        {
            "name": "exports/{date}/orders-{run}.jsonl.zst",
            "resource_id": "018f0000-0000-7000-8000-000000000000",
            "format": "json_lines",
            "overwrite": "new",
        },
    )

    class Params(DestinationStep.Params):
        resource_id: ResourceId | None = Field(
            default=None,
            description="The bucket to write to; without it the tenant's own files.",
            json_schema_extra={"x-widget": "resource"},
        )
        name: str = Field(
            min_length=1,
            max_length=_file_names.MAX_KEY_BYTES,
            description=(
                "The file's name, or in a bucket its key. `{date}` (2026-01-31), `{time}` (235959) and"
                " `{run}` stand for the moment in UTC at which the run was asked for, and for its id."
            ),
        )
        format: FileFormat = "parquet"
        compression: FilePacking = Field(
            default="auto",
            description="auto is zstd in Parquet, else as the name ends: .gz, .zst, or nothing.",
        )
        overwrite: Overwrite = Field(
            default="replace",
            description="Whether the file takes the place of the one of its name, or there must be none.",
        )
        delimiter: str = Field(
            default=",", min_length=1, max_length=1, pattern=r"^[,;|\t]$", description="For CSV."
        )
        header: bool = Field(default=True, description="For CSV: whether the first line names the columns.")
        null_token: NULL_TOKENS = Field(
            default="", description="For CSV: what stands for NULL. Texts are in quotes, and it is not."
        )
        line_end: Literal["lf", "crlf"] = Field(default="lf", description="For CSV.")

        @field_validator("name")
        @classmethod
        def _is_a_name(cls, name: str, info: ValidationInfo) -> str:
            _file_names.check_name(name, in_bucket=info.data.get("resource_id") is not None)
            return name

    params: Params

    @property
    def resource_id(self) -> ResourceId | None:
        """The bucket; None for the tenant's own files."""
        return self.params.resource_id

    def name_for(self, *, run_id: UUID | str, moment: datetime) -> str:
        """The file's name for a run that was asked for at this moment."""
        return _file_names.filled_in(self.params.name, run_id=run_id, moment=moment)

    @property
    def replaces_all(self) -> bool:
        """As the base says: the runs of one day are told apart by their time or id in the name."""
        told_apart = any(place in self.params.name for place in ("{run}", "{time}"))
        return self.params.overwrite == "replace" and not told_apart

    @property
    def form(self) -> FileForm:
        """How the rows are written."""
        options: dict[str, Any] = {name: getattr(self.params, name) for name in _OF_CSV}
        return FileForm(format=self.params.format, compression=self._compression, **options)

    @property
    def _compression(self) -> Literal["none", "gzip", "zstd"]:
        if self.params.compression != "auto":
            return self.params.compression
        if self.params.format == "parquet":
            return "zstd"
        _, dot, ending = self.params.name.lower().rpartition(".")
        return _ENDINGS.get(dot + ending, "none")

    def check(self, columns: Columns, target: TargetTable | None) -> None:  # noqa: ARG002 - there is no table
        if self.params.format == "csv":
            return
        misplaced = [name for name in _OF_CSV if name in self.params.model_fields_set]
        if misplaced:
            fmt = self.params.format
            faults = [
                Fault((name,), OptionOfCsv.code(), str(OptionOfCsv(option=name, format=fmt)))
                for name in misplaced
            ]
            raise OptionOfCsv(loc=faults[0].loc, faults=faults, option=misplaced[0], format=fmt)
