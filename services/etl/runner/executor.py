"""The local executor: runs the data path of jobs in child processes, one for each slot.

This process never loads pandas or pyarrow; what a handler does to the interpreter, to memory or to the
process is the child's trouble alone.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.etl.columns import Columns
from services.etl.destinations._target import Surroundings
from services.etl.pipeline.job import Job, revealed
from services.etl.pipeline.targets import target_for
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec, PreviewUnavailable
from services.etl.previews.pipeline import PipelinePreview, PipelineSpec
from services.etl.runner import scratch
from services.etl.runner.messages import MESSAGES, ChildMessage, Failed, Lost, Outcome, Succeeded
from services.etl.runner.process import Child, ChildUnready
from shared.errors import Fault, Unavailable
from shared.security.guard import OutboundPolicy

OnMessage = Callable[[ChildMessage], Awaitable[None]]
_WATCH_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """Bounds of the children. Times in seconds, memory in MiB.

    A child serves `recycle_after` pieces of work, or until it keeps more than `recycle_above_mb`; without
    work it ends after `idle_seconds`. A cancelled job has `soft_cancel_seconds` to roll back by itself.
    """

    slots: int = 1
    recycle_after: int = 50
    recycle_above_mb: int = 512
    idle_seconds: float = 60.0
    start_seconds: float = 30.0
    soft_cancel_seconds: float = 3.0


class _DiedIdle(Exception):
    """A warm child was found dead when work came: the work has not begun, and another child can do it."""


class Executor:
    """Runs jobs and previews in child processes.

    At most `limits.slots` at a time; more wait. Cancelling the task that awaits `execute` or `preview` ends
    the work: softly at first, within five seconds in any case.
    """

    def __init__(self, *, policy: OutboundPolicy, limits: ExecutorLimits | None = None) -> None:
        self._policy = policy
        self._limits = limits or ExecutorLimits()
        self._slots = asyncio.Semaphore(self._limits.slots)
        self._idle: dict[Child, asyncio.TimerHandle] = {}
        self._children: set[Child] = set()
        self._closed = False

    async def start(self) -> None:
        """Get ready. Children are spawned with the first work and kept warm between jobs."""
        self._closed = False
        await asyncio.to_thread(scratch.sweep)

    async def close(self) -> None:
        """End all children; work that is under way is reported as lost."""
        self._closed = True
        for timer in self._idle.values():
            timer.cancel()
        self._idle.clear()
        for child in list(self._children):
            child.kill("the runner is stopping")
        await asyncio.gather(*(self._end(child) for child in list(self._children)))

    async def execute(self, job: Job, on_message: OnMessage) -> Outcome:
        """Run the data path of one attempt; `on_message` gets what the child tells meanwhile, in order."""
        try:
            async with scratch.folder() as folder:
                request = {"type": "job", "job": job.to_wire()} | self._surroundings(folder)
                while True:
                    with suppress(_DiedIdle):
                        async with self._child() as child:
                            return await self._converse(child, request, job.memory_limit_mb, on_message)
        except ChildUnready:
            return Lost(reason="the child process did not start")

    async def preview(self, spec: PreviewSpec) -> PreviewResult:
        """Look at the beginning of a source. Raises PreviewRefused or PreviewUnavailable."""
        return PreviewResult.model_validate(await self._look("preview", spec))

    async def preview_pipeline(self, spec: PipelineSpec) -> PipelinePreview:
        """Try a pipeline on the beginning of its source. Raises as `preview`."""
        return PipelinePreview.model_validate(await self._look("preview_pipeline", spec))

    async def _look(self, kind: str, spec: PreviewSpec | PipelineSpec) -> Any:
        try:
            async with scratch.folder() as folder, asyncio.timeout(spec.timeout_seconds):
                request = {"type": kind, "spec": revealed(spec)} | self._surroundings(folder)
                answer = await self._previewed(request, spec.memory_limit_mb)
        except TimeoutError:
            raise PreviewUnavailable(
                what="The preview", reason=f"it took longer than {spec.timeout_seconds:g} seconds"
            ) from None
        except ChildUnready:
            raise PreviewUnavailable(what="The preview", reason="its process did not start") from None
        if isinstance(answer, Failed | Lost):
            raise _refusal(answer)
        return answer

    async def settle(self, job: Job) -> Succeeded | None:
        """Learn what the target says of a run whose child is gone, and make the answer final.

        Ends sessions of the run that are still there, so that nothing of this attempt can commit any more.
        None means that nothing was written. Raises Unavailable when the target can't be asked.
        """
        target = target_for(job.target.engine)(job, Columns.EMPTY, Surroundings(self._policy))
        try:
            counts = await target.settle()
        except Exception as error:
            raise Unavailable(what="The target") from error
        return None if counts is None else Succeeded(counts=counts, adopted=True, file=target.file)

    def _surroundings(self, folder: Path) -> dict[str, Any]:
        return {"policy": dataclasses.asdict(self._policy), "scratch": str(folder)}

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        """A warm child, or a new one; kept for the next work when it is still good."""
        async with self._slots:
            child = await self._take()
            try:
                yield child
            except BaseException:
                child.kill()
                raise
            finally:
                await asyncio.shield(self._release(child))

    async def _take(self) -> Child:
        while self._idle:
            child, timer = self._idle.popitem()
            timer.cancel()
            if child.alive:
                return child
            await self._end(child)
        if self._closed:
            raise ChildUnready
        child = await Child.spawn(seconds=self._limits.start_seconds)
        self._children.add(child)
        return child

    async def _release(self, child: Child) -> None:
        child.runs += 1
        limits = self._limits
        worn = child.runs >= limits.recycle_after or child.memory_mb() > limits.recycle_above_mb
        if worn or self._closed or child.killed_for or not child.alive:
            await self._end(child)
            return
        loop = asyncio.get_running_loop()
        self._idle[child] = loop.call_later(limits.idle_seconds, self._expire, child)

    def _expire(self, child: Child) -> None:
        self._idle.pop(child, None)
        child.kill("it was idle")

    async def _end(self, child: Child) -> str:
        how = await child.end()
        self._children.discard(child)
        return how

    async def _converse(
        self, child: Child, request: dict[str, Any], memory_mb: int, on_message: OnMessage
    ) -> Outcome:
        watch = asyncio.ensure_future(_watch(child, memory_mb))
        begun = False
        try:
            await child.send(request)
            while (message := await child.receive()) is not None:
                begun = True
                told = MESSAGES.validate_python(message)
                if isinstance(told, Succeeded | Failed):
                    _note_last(child, message)
                    return told
                await on_message(told)
            return await self._lost(child, begun=begun)
        except ConnectionError:
            return await self._lost(child, begun=begun)
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel(child))
            raise
        finally:
            watch.cancel()

    async def _lost(self, child: Child, *, begun: bool) -> Lost:
        """How the child ended. Raises _DiedIdle when it was dead before the work came to it."""
        how = await self._end(child)
        if not begun and child.runs and not child.killed_for:
            raise _DiedIdle
        return Lost(reason=how, peak_memory_mb=child.peak_mb or None)

    async def _cancel(self, child: Child) -> None:
        """Let the job roll back; end the child when that takes too long."""
        try:
            async with asyncio.timeout(self._limits.soft_cancel_seconds):
                await child.send({"type": "cancel"})
                while (message := await child.receive()) is not None:
                    if message.get("type") in {"succeeded", "failed"}:
                        return
        except (TimeoutError, ConnectionError):
            pass
        finally:
            child.kill("cancelled")

    async def _previewed(self, request: dict[str, Any], memory_mb: int) -> dict[str, Any] | Failed | Lost:
        while True:
            with suppress(_DiedIdle):
                async with self._child() as child:
                    return await self._ask(child, request, memory_mb)

    async def _ask(
        self, child: Child, request: dict[str, Any], memory_mb: int
    ) -> dict[str, Any] | Failed | Lost:
        watch = asyncio.ensure_future(_watch(child, memory_mb))
        try:
            await child.send(request)
            message = await child.receive()
        except ConnectionError:
            message = None
        finally:
            watch.cancel()
        if message is None:
            return await self._lost(child, begun=False)
        _note_last(child, message)
        if message["type"] == "previewed":
            result: dict[str, Any] = message["result"]
            return result
        return Failed.model_validate(message)


def _note_last(child: Child, message: dict[str, Any]) -> None:
    if message.get("last"):
        child.killed_for = "a thread of its last work did not end"


def _refusal(answer: Failed | Lost) -> PreviewRefused | PreviewUnavailable:
    if isinstance(answer, Lost):
        return PreviewUnavailable(what="The preview", reason=answer.reason)
    faults = answer.faults or [Fault(answer.loc, answer.code, answer.message)]
    return PreviewRefused(reason=answer.message.rstrip("."), loc=answer.loc, faults=faults)


async def _watch(child: Child, memory_mb: int) -> None:
    """End a child that takes more memory than its work may."""
    while child.alive:
        if child.memory_mb() > memory_mb:
            child.kill(f"it used more than the {memory_mb} MiB that it may")
            return
        await asyncio.sleep(_WATCH_SECONDS)
