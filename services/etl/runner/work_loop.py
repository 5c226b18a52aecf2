"""The child's loop: one piece of work at a time, cancelled by a message, ended by the end of the pipe."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from services.etl.pipeline.errors import JobCancelled
from services.etl.pipeline.job import Job
from services.etl.previews import execute as previews
from services.etl.previews.definition import PreviewSpec
from services.etl.previews.pipeline import PipelineSpec
from services.etl.runner import load, memory
from services.etl.runner.frames import BlockingPipe, FrameTooLarge
from services.etl.runner.messages import Failed
from services.etl.runner.scratch import full
from shared.errors import PenstockError
from shared.observe import context, logs
from shared.security.guard import OutboundPolicy

_log = logs.get(__name__)
_PARENT_GONE = 3


def serve(reading: int, writing: int) -> None:
    """Serve the pipe until it ends. Does not return."""
    logs.configure("child", level="WARNING")
    asyncio.run(_Loop(BlockingPipe(reading, writing)).run())
    os._exit(0)


def answer(pipe: BlockingPipe, found: dict[str, Any]) -> None:
    """Send the end of a piece of work, or that it is larger than the pipe takes."""
    try:
        pipe.send(found)
    except FrameTooLarge:
        failed = Failed(code="answer_too_large", message="The answer is too large to be shown.")
        pipe.send({**failed.model_dump(mode="json"), "last": found["last"]})


def _source(spec: Any, policy: OutboundPolicy, scratch: Path) -> BaseModel:
    return previews.execute(PreviewSpec.model_validate(spec), policy=policy, scratch=scratch)


def _pipeline(spec: Any, policy: OutboundPolicy, scratch: Path) -> BaseModel:
    return previews.execute_pipeline(PipelineSpec.model_validate(spec), policy=policy, scratch=scratch)


_LOOKS: Final = {"preview": _source, "preview_pipeline": _pipeline}
"""What looks without writing anything, by the type of the request."""

_UNKNOWN: Final = Failed(code="internal_error", message="The work failed for an unknown reason.")


class _Loop:
    def __init__(self, pipe: BlockingPipe) -> None:
        self._pipe = pipe
        self._requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[dict[str, Any]] | None = None
        self._cancelled = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), name="pipe", daemon=True).start()
        self._pipe.send({"type": "ready"})
        tainted = False
        while not tainted:
            request = await self._requests.get()
            self._cancelled = False
            context.RUN_ID.set(request.get("job", {}).get("run_id"))
            self._task = asyncio.create_task(self._answer(request))
            found = await self._task
            self._task = None
            tainted = bool(found.pop("tainted", False))
            answer(self._pipe, {**found, "last": tainted})
            memory.give_back()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while (message := self._pipe.receive()) is not None:
            if message["type"] == "cancel":
                loop.call_soon_threadsafe(self._cancel)
            else:
                loop.call_soon_threadsafe(self._requests.put_nowait, message)
        os._exit(_PARENT_GONE)

    def _cancel(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        policy, scratch = OutboundPolicy(**_tuples(request["policy"])), Path(request["scratch"])
        try:
            if (look := _LOOKS.get(request["type"])) is not None:
                result = await asyncio.to_thread(look, request["spec"], policy, scratch)
                return {"type": "previewed", "result": result.model_dump(mode="json")}
            job = Job.model_validate(request["job"])
            outcome = await load.run(job, policy=policy, tell=self._tell, scratch=scratch)
            return outcome.outcome.model_dump(mode="json") | {"tainted": outcome.tainted}
        except asyncio.CancelledError:
            return load.failed(JobCancelled()).model_dump(mode="json") | {"tainted": True}
        except PenstockError as error:
            return load.failed(error).model_dump(mode="json")
        except Exception as error:  # noqa: BLE001  whatever it is, the runner must hear of an end
            if isinstance(error, OSError) and (no_room := full(error)) is not None:
                return load.failed(no_room).model_dump(mode="json")
            _log.exception("work_failed")
            return _UNKNOWN.model_dump(mode="json")

    def _tell(self, message: Any) -> None:
        self._pipe.send(message.model_dump(mode="json"))


def _tuples(policy: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in policy.items()}
