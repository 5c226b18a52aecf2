"""A runner in a process of its own, for tests that kill it: job and database come by standard input."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from services.etl.pipeline.job import Job
from services.etl.runner.loop import Runner
from services.etl.runner.means import Timing
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.db.session import Database
from shared.observe import logs
from tests.integration.etl_runs.loading import executing, means, spec_of
from tests.integration.etl_runs.scene import Scene


async def _main() -> None:
    logs.configure("runner")
    given = json.loads(sys.stdin.readline())
    spec = spec_of(Job.model_validate(given["job"]))
    folder = Path(spec.source.files[0].path).parent
    scene, bus = Scene(Database(given["database"]), folder), MemoryBus()
    await bus.declare(TOPOLOGY)
    async with executing() as executor:
        await Runner(replace(means(scene, spec, executor), timing=Timing(note=0.05)), bus).run(
            asyncio.Event()
        )


if __name__ == "__main__":
    asyncio.run(_main())
