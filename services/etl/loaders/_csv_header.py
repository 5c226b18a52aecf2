"""The header of a CSV file against the declared columns."""

import csv
import io
import re
from itertools import islice
from typing import Final

from services.etl.loaders import _header
from services.etl.loaders._base import SourceFile
from services.etl.loaders._csv_source import SingleLines, opened
from services.etl.loaders._header_rows import joined
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.loaders.csv import Csv
from services.etl.pipeline.errors import (
    EncodingInvalid,
    FileEmpty,
    HeaderChanged,
    HeaderInvalid,
)

MAX_HEADER: Final = 1 << 20
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


def first_record(loader: Csv, file: SourceFile) -> list[str]:
    """The fields of the first record, or the names that a header of several makes.

    Raises FileEmpty, HeaderInvalid or EncodingInvalid.
    """
    params = loader.params
    rows = first_records(loader, file, max(1, loader.heading))
    return joined(rows, params.header_separator, fill=params.header_fill)


def first_records(loader: Csv, file: SourceFile, count: int) -> list[list[str]]:
    """The fields of the first records, each with as many. Raises as `first_record`."""
    source, params = opened(loader, file), loader.params
    try:
        content = _beginning(source if params.multi_line else SingleLines(source, loader, heading=count))
    finally:
        source.close()
    if not content.strip():
        raise FileEmpty
    try:
        text = content.decode("utf-8", errors="strict" if len(content) < MAX_HEADER else "ignore")
    except UnicodeDecodeError as error:
        if len(_LINE_END.findall(content[: error.start])) < count:
            raise EncodingInvalid(encoding=params.encoding, offset=error.start) from None
        text = content[: error.start].decode()
    if not params.multi_line:
        text = "".join(islice(io.StringIO(text, newline=""), count))
    return _parse(loader, text, count)


def _beginning(source: Utf8Bytes | SingleLines) -> bytes:
    content = b""
    while len(content) < MAX_HEADER:
        more = source.read(MAX_HEADER - len(content))
        if not more:
            break
        content += more
    return content


def _parse(loader: Csv, text: str, count: int) -> list[list[str]]:
    params = loader.params
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=params.delimiter,
        quotechar=params.quote or None,
        escapechar=params.escape,
        quoting=csv.QUOTE_NONE if params.quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )
    limit = csv.field_size_limit(MAX_HEADER)
    try:
        rows = list(islice(reader, count))
    except csv.Error:
        raise HeaderInvalid(reason="its quotes are not closed, or it is longer than 1 MiB") from None
    finally:
        csv.field_size_limit(limit)
    if len(rows) < count:
        raise FileEmpty
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise HeaderInvalid(reason=f"its rows have {' and '.join(map(str, sorted(widths)))} fields")
    if max(widths) > _header.MAX_FIELDS:
        raise HeaderInvalid(reason=f"it has more than {_header.MAX_FIELDS} fields")
    return rows


def named(fields: list[str]) -> list[str]:
    """The names of columns as the header gives them; a field without a name is named by its position.

    Raises HeaderInvalid for a name that no column can have.
    """
    _header.check_names(fields)
    return [field or f"column_{position}" for position, field in enumerate(fields, 1)]


def positions(loader: Csv, fields: list[str]) -> list[int]:
    """Which field of the file each declared column is. Raises HeaderInvalid or a kind of it."""
    declared = [column.name for column in loader.params.columns]
    if not loader.params.header:
        if len(fields) != len(declared):
            raise HeaderChanged(
                reason=f"the first record has {len(fields)} fields, {len(declared)} columns are declared"
            )
        return list(range(len(declared)))
    return _header.by_name(loader, named(fields))


def undeclared(loader: Csv, fields: list[str]) -> list[tuple[int, str]]:
    """Position and name of each field that is collected. Raises HeaderInvalid."""
    if loader.params.extra_column is None:
        return []
    names = named(fields)
    return [(position, names[position]) for position in _header.undeclared(loader, names)]
