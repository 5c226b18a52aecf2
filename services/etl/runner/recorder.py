"""Gathers what a child tells of its attempt, until it is time to write it down."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.etl.runner.messages import (
    KEPT_BYTES,
    KEPT_REJECTS,
    Backend,
    ChildMessage,
    Phase,
    Progress,
    Reject,
    Rejects,
)

_KINDS: Final = 200
"""Kinds of rejects (step, column, code) that are counted each; the others together."""


@dataclass(frozen=True, slots=True)
class News:
    """What is new in an attempt. Not `complete`: there were rejected rows that are not kept."""

    progress: dict[str, Any] | None = None
    phase: str | None = None
    rejects: Sequence[Reject] = ()
    complete: bool = True
    reject_counts: list[dict[str, Any]] | None = None


class Recorder:
    """What is new in one attempt. `take` gives it out once; `news` is set while there is some."""

    def __init__(
        self,
        *,
        kept: int = KEPT_REJECTS,
        kept_bytes: int = KEPT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.news = asyncio.Event()
        self._room = kept
        self._bytes_left = kept_bytes
        self._clock = clock
        self._began = clock()
        self._progress: Progress | None = None
        self._phase: str | None = None
        self._phase_is_new = False
        self._rejects: list[Reject] = []
        self._complete = True
        self._counts: Counter[tuple[str, str | None, str]] = Counter()
        self._counts_are_new = False

    @property
    def committing(self) -> bool:
        """Whether the child has begun to commit: an error from then on says nothing about the rows."""
        return self._phase == "committing"

    def record(self, message: ChildMessage) -> None:
        """Take in one message; an older one of the same kind that wasn't written down is forgotten."""
        match message:
            case Progress():
                self._progress = message
            case Phase(name=name):
                self._phase, self._phase_is_new = name, True
            case Rejects(rejects=rejects, unkept=unkept):
                for reject in rejects:
                    self._reject(reject)
                for kind in unkept:
                    self._complete = False
                    self._count(kind.step, kind.column, kind.code, kind.rows)
            case Backend():
                return
        self.news.set()

    def take(self) -> News:
        """Everything new since the last time."""
        news = News(
            progress=self._told_progress(),
            phase=self._phase if self._phase_is_new else None,
            rejects=self._rejects,
            complete=self._complete,
            reject_counts=self._told_counts() if self._counts_are_new else None,
        )
        self.news.clear()
        self._progress, self._phase_is_new = None, False
        self._rejects, self._counts_are_new = [], False
        return news

    def _reject(self, reject: Reject) -> None:
        self._count(reject.step, reject.column, reject.code, 1)
        size = len(reject.reason) + len(reject.value or "") + len(reject.raw or "")
        if self._room and size <= self._bytes_left:
            self._room -= 1
            self._bytes_left -= size
            self._rejects.append(reject)
        else:
            # Whatever would fit later on is left out too: those that are kept are the first ones.
            self._room, self._complete = 0, False

    def _count(self, step: str, column: str | None, code: str, rows: int) -> None:
        kind = (step, column, code)
        if kind not in self._counts and len(self._counts) >= _KINDS:
            kind = (step, None, "others")
        self._counts[kind] += rows
        self._counts_are_new = True

    def _told_counts(self) -> list[dict[str, Any]]:
        return [
            {"step": step, "column": column, "code": code, "rows": rows}
            for (step, column, code), rows in self._counts.most_common()
        ]

    def _told_progress(self) -> dict[str, Any] | None:
        if self._progress is None:
            return None
        told = self._progress.model_dump(exclude={"type"}) | {"phase": self._phase}
        seconds = self._clock() - self._began
        if seconds > 0:
            told["rows_per_second"] = round(self._progress.read / seconds, 1)
        done, total = self._progress.bytes_read, self._progress.bytes_total
        if not total and self._progress.rows_total:
            done, total = self._progress.read, self._progress.rows_total
        if seconds > 0 and 0 < done <= total:
            told["eta_seconds"] = round((total - done) * seconds / done, 1)
        return told
