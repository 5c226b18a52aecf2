"""Handlers of third parties where their code must not run: they are asked in a child process.

The services describe and validate pipelines with what is here; runs and previews load the code itself, in
their own children. The child is started when there are such handlers, and again when it has ended.
"""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Final, Self, cast

from services.etl.columns import Column, Columns
from services.etl.handlers._base import HandlerStep
from services.etl.pipeline.definition import SourceConfig
from shared.errors import Fault, Invalid, Loc, Unavailable
from shared.observe import logs
from shared.plugins.describe import PluginDescription

GROUP: Final = "penstock.handlers"
STARTS_WITHIN: Final = 30.0
ANSWERS_WITHIN: Final = 5.0
"""Seconds."""
_ROOT: Final = Path(__file__).parents[3]
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
"""What the child gets of our environment: no setting of ours and no secret."""

_log = logs.get(__name__)


class StepRefused(Invalid):
    """The step {step!r} can't be used so: {reason}."""


class _Asking:
    """The child that knows the handlers of third parties; one question at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. Raises Unavailable when it doesn't give one in time; the next question starts anew."""
        with self._lock:
            try:
                process = self._running()
                return self._exchange(process, question, seconds=ANSWERS_WITHIN)
            except (OSError, ValueError) as error:
                self.end()
                _log.warning("third_party_child_lost", kind=type(error).__name__)
                raise Unavailable(what="The description of third-party steps") from None

    def end(self) -> None:
        """End the child and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            with self._process:  # closes its pipes, waits for its end
                self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = subprocess.Popen(  # noqa: S603  ourselves, with nothing of a user in the command
                [sys.executable, "-P", "-m", "services.etl.pipeline.third_party_child", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
            )
            self._exchange(self._process, {}, seconds=STARTS_WITHIN)
        return self._process

    def _exchange(
        self, process: subprocess.Popen[bytes], question: Mapping[str, Any], *, seconds: float
    ) -> dict[str, Any]:
        assert process.stdin is not None  # both are pipes
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        if not select.select([process.stdout], [], [], seconds)[0]:
            raise TimeoutError
        return cast("dict[str, Any]", json.loads(process.stdout.readline()))


@lru_cache(maxsize=1)
def _child() -> _Asking:
    return _Asking()


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return inherited | {"PYTHONPATH": path}


def described() -> Mapping[str, type[HandlerStep]]:
    """A stand-in for every handler of third parties, by name. None of their code is imported here."""
    if not metadata.entry_points(group=GROUP):
        return {}
    try:
        found = _child().ask({"ask": "describe"})["descriptions"]
    except Unavailable:
        _log.exception("third_party_steps_skipped", group=GROUP)
        return {}
    descriptions = [PluginDescription.model_validate(one) for one in found]
    return {description.name: _stand_in(description) for description in descriptions}


class Asked(HandlerStep):
    """A handler of a third party, known by its description alone. It can be checked but not run."""

    scope = "rows"
    description: ClassVar[PluginDescription]

    def __init__(self, given: Mapping[str, Any], *, loc: Loc = ()) -> None:
        super().__init__(self.Params())
        self._given = dict(given)
        self._sources = self._answer(loc)["lookups"]

    @classmethod
    def of(cls, params: Mapping[str, Any], *, loc: Loc = ()) -> Self:
        """The step with these parameters, which the child has checked."""
        return cls(params, loc=loc)

    def lookups(self) -> Mapping[str, SourceConfig]:
        """Further sources, as the step itself names them."""
        return {name: SourceConfig.model_validate(source) for name, source in self._sources.items()}

    def columns_out(self, columns: Columns) -> Columns:
        """The columns as the step itself works them out, in the child."""
        looked_up = {name: _plain(found) for name, found in self.looked_up.items()}
        answer = self._answer((), columns=_plain(columns), looked_up=looked_up)
        return Columns(Column.model_validate(column) for column in answer["columns"])

    def _answer(self, loc: Loc, **more: Any) -> dict[str, Any]:
        answer = _child().ask({"ask": "check", "name": self.name, "params": self._given, **more})
        if "refused" in answer:
            faults = [
                Fault((*loc, *fault["loc"]), fault["code"], fault["message"]) for fault in answer["faults"]
            ]
            place = faults[0].loc if faults else loc
            raise StepRefused(loc=place, faults=faults, step=self.name, reason=answer["refused"])
        return answer


def _stand_in(description: PluginDescription) -> type[HandlerStep]:
    members = {"name": description.name, "description": description, "__doc__": description.summary}
    return type(f"_{description.name}", (Asked,), members)


def _plain(columns: Columns) -> list[dict[str, Any]]:
    return [column.model_dump(mode="json") for column in columns]
