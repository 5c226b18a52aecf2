"""Keys of several columns as one value each, exactly: no hash decides about a row."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline.casting import decimal_text


def first_of_each(columns: list[Any], seen: set[bytes]) -> Any:
    """A Boolean Arrow array: true where the key was not met before. Adds the new keys to `seen`."""
    result = []
    for key in combined(columns).to_pylist():
        before = len(seen)
        seen.add(key)
        result.append(len(seen) != before)
    return pa.array(result, pa.bool_())


def combined(columns: list[Any]) -> Any:
    """One binary value for each row that is equal for equal keys alone; two NULLs are equal.

    Every part is written with its length before it (or N for NULL), so that no two keys run together.
    """
    parts = [_part(column) for column in columns]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()), null_handling="replace")


def _part(column: Any) -> Any:
    if pa.types.is_decimal(column.type):
        text = pc.cast(decimal_text(column), pa.binary())
    elif pa.types.is_binary(column.type):
        text = column
    else:
        text = pc.cast(pc.cast(column, pa.string()), pa.binary())
    length = pc.cast(pc.cast(pc.binary_length(text), pa.string()), pa.binary())
    part = pc.binary_join_element_wise(length, text, pa.scalar(b":", pa.binary()))
    return pc.fill_null(part, pa.scalar(b"N", pa.binary()))
