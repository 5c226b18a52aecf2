"""The content hash of a table: its structure in one canonical form, without what changes by itself."""

import hashlib
from dataclasses import fields
from typing import Any, Final

import orjson

from services.meta.scanners._model import TableInfo

CANON_VERSION: Final = 1
"""Part of every hash: a new canonical form makes all tables look changed once, and says why."""

_NOT_STRUCTURE: Final = frozenset({"row_count", "data_size_bytes", "index_size_bytes"})
_STRUCTURE: Final = tuple(field.name for field in fields(TableInfo) if field.name not in _NOT_STRUCTURE)
_UNORDERED: Final = ("keys", "indexes", "constraints")


def content_hash(table: TableInfo) -> str:
    """BLAKE2b-128 in hexadecimal over everything but row counts and sizes."""
    document = {"canon": CANON_VERSION, "table": canonical(table)}
    return hashlib.blake2b(orjson.dumps(document, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def canonical(table: TableInfo) -> dict[str, Any]:
    """The table's structure for orjson; lists without an order of their own are sorted."""
    document = {name: getattr(table, name) for name in _STRUCTURE}
    for name in _UNORDERED:
        document[name] = sorted(document[name], key=orjson.dumps)
    return document
