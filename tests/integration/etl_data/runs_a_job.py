"""A runner of its own for tests that kill it: reads a job, says when the loading has begun, and goes on."""

import asyncio
import sys

from services.etl.pipeline.job import Job
from services.etl.runner.executor import Executor
from services.etl.runner.messages import ChildMessage, Progress
from shared.security.guard import OutboundPolicy


async def _say(message: ChildMessage) -> None:
    if isinstance(message, Progress):
        sys.stdout.write("loading\n")
        sys.stdout.flush()


async def _main() -> None:
    job = Job.model_validate_json(sys.stdin.readline())
    await Executor(policy=OutboundPolicy(allow_loopback=True)).execute(job, _say)


if __name__ == "__main__":
    asyncio.run(_main())
