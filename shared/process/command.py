"""A command that ends by itself: it prints what it found as JSON, and its exit status says how it went."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from shared.errors import PenstockError
from shared.process.main import strip_environment

_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Report:
    """What a command found: plain data, dataclasses or models, and whether all of it is well."""

    found: Any
    is_well: bool


def run(work: Callable[[], Coroutine[Any, Any, Report]]) -> int:
    """The exit status: 0 when all is well, else 1; then an error of ours is one line on standard error."""
    strip_environment()
    try:
        report = asyncio.run(work())
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    sys.stdout.write(to_json(report.found, indent=2).decode() + "\n")
    return 0 if report.is_well else 1
