"""A job whose process is killed right before its commit or right after it, as its argument says."""

import asyncio
import os
import signal
import sys

from services.etl.destinations._target import Target
from services.etl.pipeline.job import Counts, Job
from services.etl.pipeline.targets import target_for
from services.etl.runner import load
from shared.security.guard import OutboundPolicy


def _deadly(kind: type[Target], *, commits: bool) -> None:
    commit = kind.commit

    async def dies(self: Target, counts: Counts) -> None:
        if commits:
            await commit(self, counts)
        os.kill(os.getpid(), signal.SIGKILL)

    kind.commit = dies  # type: ignore[method-assign]  # that is what this process is for


def _main() -> None:
    job = Job.model_validate_json(sys.stdin.readline())
    _deadly(target_for(job.table.connection.connection.type), commits=sys.argv[1] == "after")
    asyncio.run(load.run(job, policy=OutboundPolicy(allow_loopback=True), tell=lambda _: None))


if __name__ == "__main__":
    _main()
