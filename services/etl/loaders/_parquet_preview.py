"""Look at the beginning of a Parquet file, which knows its types by itself."""

from typing import Any, Final

from services.etl.columns import TEXT
from services.etl.loaders import _parquet_reader, _parquet_types, _previewing
from services.etl.loaders._base import SourceFile
from services.etl.loaders._csv_types import Guess
from services.etl.loaders._files import MAX_COLUMNS
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline.errors import HeaderInvalid
from services.etl.previews.definition import PreviewProblem, PreviewResult, PreviewSpec

_LOOKED_AT: Final = 1000


def preview(spec: PreviewSpec, file: SourceFile) -> PreviewResult:
    """The columns of the file and its first rows. Raises SourceInvalid, or ParamsInvalid."""
    given = _previewing.given(Parquet, spec.params)
    with _parquet_reader.opened(file) as opened:
        schema = opened.schema_arrow
        if len(schema) > MAX_COLUMNS:
            raise HeaderInvalid(reason=f"it has {len(schema)} columns, and a task at most {MAX_COLUMNS}")
        names, required = schema.names, {field.name for field in schema if not field.nullable}
        rows = next(_parquet_reader.batches(opened, names, most=_LOOKED_AT), None)
        total = opened.metadata.num_rows
    guesses = [_guess(field) for field in schema]
    values = [_parquet_types.shown(_plain(array)) for array in (rows.columns if rows else [])]
    known = [at for at, guess in enumerate(guesses) if guess is not None]
    columns = _previewing.columns(
        [names[at] for at in known],
        [guesses[at] or Guess(TEXT, "") for at in known],
        [values[at] if values else _parquet_types.NOTHING for at in known],
        required=required,
    )
    read = len(rows) if rows else 0
    return PreviewResult(
        params={"columns": [_previewing.declared(column) for column in columns]} | _left(guesses) | given,
        columns=columns,
        rows=_previewing.cells([values[at] for at in known] if values else [], spec.rows),
        rows_read=read,
        complete=read == total,
        size=file.size,
        problems=[
            *_previewing.compared(given, names),
            *(_unknown(field) for field, guess in zip(schema, guesses, strict=True) if guess is None),
        ],
    )


def _guess(field: Any) -> Guess | None:
    kind = _parquet_types.kind_of(field.type)
    return None if kind is None else Guess(kind, f"the file says {field.type}")


def _plain(array: Any) -> Any:
    return array.dictionary_decode() if hasattr(array, "dictionary_decode") else array


def _left(guesses: list[Guess | None]) -> dict[str, Any]:
    """Columns that nobody can read are left out of what is proposed."""
    return {"extra_columns": "ignore"} if None in guesses else {}


def _unknown(field: Any) -> PreviewProblem:
    return PreviewProblem(
        code="type_unknown",
        message=f"Column {field.name!r} is {field.type}, which can't be read: it is left out.",
        severity="warning",
        column=field.name,
    )
