"""Reading from databases in tests: a table of the tests as the source of a loader or of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.etl.loaders._base import Source
from services.etl.loaders._database_loader import DatabaseLoader
from services.etl.loaders.database_query import DatabaseQuery
from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.casting import decimal_text
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.job import JobSource
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.identifiers import uuid7
from tests.integration.etl_data.jobs import POLICY, TABLE, TestTable
from tests.resources import handed_out

RESOURCE = str(uuid7())


@dataclass
class Got:
    """What a reading gave: rows as Python values, rejects, counts and the cursor."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    read: int = 0
    filtered: int = 0
    cursor: str | None = None

    @property
    def reasons(self) -> list[tuple[int, str | None, str]]:
        """Record, column and code of each rejected row."""
        return [(row.record, row.column, row.code) for row in self.rejected]


def declared(types: Mapping[str, str], required: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Columns as parameters of a loader."""
    return [{"name": name, "type": kind, "nullable": name not in required} for name, kind in types.items()]


def source_of(table: TestTable, cursor: str | None = None) -> Source:
    """The database of a table as a source."""
    return Source(
        connection=handed_out(table.connection()), sqlite_path=table.sqlite_path, policy=POLICY, cursor=cursor
    )


def table_params(types: Mapping[str, str], **others: Any) -> dict[str, Any]:
    """Parameters that read the table of the tests."""
    return {"resource_id": RESOURCE, "table_name": TABLE, "columns": declared(types)} | others


def read_table(table: TestTable, types: Mapping[str, str], cursor: str | None = None, **others: Any) -> Got:
    """Read the table of the tests, or another one."""
    return read(DatabaseTable.of(table_params(types, **others)), source_of(table, cursor))


def read_query(table: TestTable, query: str, types: Mapping[str, str], **others: Any) -> Got:
    """Read a query."""
    params = {"resource_id": RESOURCE, "query": query, "columns": declared(types)} | others
    return read(DatabaseQuery.of(params), source_of(table))


def read(loader: DatabaseLoader, source: Source) -> Got:
    """Take all batches."""
    got = Got()
    with loader.open(source) as reading:
        for batch in reading:
            assert batch.rows_read == len(batch.rows) + len(batch.rejected) + batch.filtered
            columns = [_values(column) for column in batch.rows.columns]
            got.rows += zip(*columns, strict=True)
            got.records += batch.records.tolist()
            got.rejected += batch.rejected
            got.read += batch.rows_read
            got.filtered += batch.filtered
    got.cursor = reading.cursor
    return got


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    values: list[Any] = (decimal_text(column) if pa.types.is_decimal(column.type) else column).to_pylist()
    return values


def job_source(table: TestTable, types: Mapping[str, str], **others: Any) -> JobSource:
    """The table of the tests, or another one, as the source of a job."""
    return JobSource(
        loader="database_table",
        params=table_params(types, **others),
        connection=handed_out(table.connection()),
        sqlite_path=str(table.sqlite_path) if table.sqlite_path else None,
    )


def preview(table: TestTable, loader: type[DatabaseLoader], **params: Any) -> PreviewResult:
    """Look at a source."""
    source = source_of(table)
    spec = PreviewSpec(
        source=JobSource(loader=loader.name, params={"resource_id": RESOURCE} | params), rows=3
    )
    return loader.preview(spec, source)
