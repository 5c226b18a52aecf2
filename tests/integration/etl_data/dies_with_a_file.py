"""A job that writes a file, whose process is killed at the point that its argument names."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from services.etl.destinations._file_bucket import BucketSession
from services.etl.destinations._file_output import Output
from services.etl.destinations.files import StoreFile
from services.etl.pipeline.job import Job
from services.etl.runner import load
from shared.engines import s3
from shared.security.guard import OutboundPolicy

POINTS: Final[Mapping[str, tuple[type[Any], str]]] = {
    "opened": (Output, "__init__"),
    "writing": (Output, "write"),
    "synced": (Output, "finish"),
    "moved": (StoreFile, "commit"),
    "part of it sent": (s3.Bucket, "_parts"),
    "all of it sent": (BucketSession, "commit"),
}
"""Behind which method the process ends."""


def _deadly(kind: type[Any], name: str) -> None:
    method: Callable[..., Any] = getattr(kind, name)

    def dies(self: Any, *args: Any, **how: Any) -> Any:
        found = method(self, *args, **how)
        return _awaited(found) if asyncio.iscoroutine(found) else _end()

    setattr(kind, name, dies)


async def _awaited(found: Any) -> None:
    await found
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _main() -> None:
    job = Job.model_validate_json(sys.stdin.readline())
    point, scratch = sys.argv[1:]
    if point == "part of it sent":
        s3.SINGLE_BYTES = 1  # type: ignore[misc]  # so that a small file goes in parts
    _deadly(*POINTS[point])
    policy = OutboundPolicy(allow_loopback=True)
    asyncio.run(load.run(job, policy=policy, tell=lambda _: None, scratch=Path(scratch)))


if __name__ == "__main__":
    _main()
