"""Identifiers: UUID version 7 (RFC 9562, section 5.7), sortable by the time they were made."""

import os
import time
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
ResourceId = NewType("ResourceId", UUID)
DatasourceId = NewType("DatasourceId", UUID)
FileId = NewType("FileId", UUID)
DataTableId = NewType("DataTableId", UUID)
TaskId = NewType("TaskId", UUID)
RunId = NewType("RunId", UUID)

_RANDOM_BITS = 74
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7() -> UUID:
    """A new identifier: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big") & ((1 << _RANDOM_BITS) - 1)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | _VERSION | (high << 64) | _VARIANT | low)
