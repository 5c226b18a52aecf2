"""Giving memory back between pieces of work: an idle child is there for the next one, not for the last."""

import ctypes
import gc
import sys
from contextlib import suppress


def give_back() -> None:
    """Return what the allocators keep for later to the system, as far as they can.

    Arrow's pool and the C library both hold on to pages that nothing uses any more: after a million rows
    that is more than the rows ever took.
    """
    gc.collect()
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        with suppress(AttributeError):  # of glibc alone (malloc_trim(3))
            ctypes.CDLL(None).malloc_trim(0)
