"""Validation of a pipeline without data: every step's parameters, and the columns from step to step."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from services.etl.columns import Columns
from services.etl.destinations._base import DestinationStep
from services.etl.handlers._base import HandlerStep
from services.etl.loaders._base import Loader
from services.etl.pipeline.definition import KEYED, PipelineConfig, SourceConfig, StepConfig, TargetTable
from services.etl.pipeline.errors import StepMisplaced, StepUnknown
from services.etl.pipeline.fitting import check_columns
from services.etl.pipeline.job import JobSpec, JobTarget
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.step import Step
from shared.errors import Fault, Invalid, Loc, PenstockError

StepT = TypeVar("StepT", bound=Step)


class PipelineInvalid(Invalid):
    """The pipeline can't run as it is: {reason}."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline whose parameters are valid. `columns[i]` are those before handler i.

    `lookups` are the loaders of further sources, by `lookup_key`.
    """

    loader: Loader
    handlers: Sequence[HandlerStep]
    destination: DestinationStep
    columns: Sequence[Columns]
    lookups: Mapping[str, Loader] = field(default_factory=dict)

    @property
    def columns_out(self) -> Columns:
        """The columns that reach the destination."""
        return self.columns[-1]


def lookup_key(position: int, name: str) -> str:
    """The key of a further source: the position of its step and the name of the parameter that gives it."""
    return f"{position}.{name}"


def validate(
    config: PipelineConfig, registry: Steps, *, target: TargetTable | None = None, loc: Loc = ()
) -> Pipeline:
    """Check a pipeline and work out its columns step by step.

    Raises PipelineInvalid with every place that is wrong, as `("steps", 2, "params", "columns", 0)` below
    `loc`. Without `target` the columns of a step that fills a table are not compared with it.
    """
    found = _Faults(loc)
    last = len(config.steps) - 1
    made = _Made(config.source, config.steps[:last], registry, found)
    with found.inside():
        destination = _made(config.steps[last], registry.destinations, last, misplaced=registry.handlers)
    built = made.walked(loc)
    with found.inside("steps", last, "params"):
        destination.check(built.columns[-1], target)
    found.complain()
    return Pipeline(built.loader, built.handlers, destination, built.columns, built.lookups)


async def validated(
    config: PipelineConfig, registry: Steps, *, target: TargetTable | None = None, loc: Loc = ()
) -> Pipeline:
    """As `validate`, in a thread: steps of third parties are asked in a child, which may take seconds."""
    return await asyncio.to_thread(validate, config, registry, target=target, loc=loc)


@dataclass(frozen=True, slots=True)
class Built:
    """The steps of a job, ready to work on data."""

    loader: Loader
    handlers: Sequence[HandlerStep]
    columns: Sequence[Columns]
    lookups: Mapping[str, Loader] = field(default_factory=dict)


def build(job: JobSpec, registry: Steps) -> Built:
    """Make the steps of a job. Raises PipelineInvalid: a step may have changed since the task was saved."""
    source = SourceConfig(loader=job.source.loader, params=job.source.params)
    built = assemble(source, job.steps, registry)
    found = _Faults(())
    if isinstance(target := job.target, JobTarget):
        with found.inside("steps", len(built.handlers), "params"):
            told_apart_by = target.key if target.mode in KEYED else ()
            check_columns(built.columns[-1], target.table(), key=told_apart_by, history=target.history)
        found.complain()
    return built


def assemble(source: SourceConfig, steps: Sequence[StepConfig], registry: Steps, *, loc: Loc = ()) -> Built:
    """A loader with handlers behind it, and no destination. Raises PipelineInvalid as `validate`."""
    return _Made(source, steps, registry, _Faults(loc)).walked(loc)


def walk(
    columns: Columns, handlers: Sequence[HandlerStep], lookups: Mapping[str, Loader], *, loc: Loc = ()
) -> list[Columns]:
    """The columns before each handler and after the last. Raises PipelineInvalid at the first that fails."""
    found = _Faults(loc)
    walked = [columns]
    for at, handler in enumerate(handlers):
        handler.looked_up = {name: lookups[lookup_key(at, name)].columns_out() for name in handler.lookups()}
        with found.inside("steps", at, "params"):
            walked.append(handler.columns_out(walked[-1]))
        found.complain()
    return walked


@dataclass(slots=True)
class _Faults:
    loc: Loc
    faults: list[Fault] = field(default_factory=list)

    @contextmanager
    def inside(self, *place: str | int) -> Iterator[None]:
        """Collect what is wrong here instead of raising it."""
        try:
            yield
        except PenstockError as error:
            base = (*self.loc, *place)
            known = [Fault((*base, *fault.loc), fault.code, fault.message) for fault in error.all_faults()]
            self.faults += known or [Fault(base, error.code(), str(error))]

    def complain(self) -> None:
        """Raise everything that was collected."""
        if self.faults:
            first = self.faults[0]
            raise PipelineInvalid(loc=first.loc, faults=self.faults, reason=first.message.rstrip("."))


class _Made:
    """Loader and handlers by their parameters; what is wrong with those is in `found` until `walked`."""

    def __init__(
        self, source: SourceConfig, steps: Sequence[StepConfig], registry: Steps, found: _Faults
    ) -> None:
        self._found = found
        self._handlers: list[HandlerStep] = []
        self._lookups: dict[str, Loader] = {}
        with found.inside():
            self._loader = _source(source, registry)
        for at, step in enumerate(steps):
            with found.inside():
                handler = _made(step, registry.handlers, at, misplaced=registry.destinations)
                self._handlers.append(handler)
                self._look_up(at, handler, registry)

    def walked(self, loc: Loc) -> Built:
        """All of them with the columns from one to the next. Raises PipelineInvalid."""
        self._found.complain()
        columns = walk(self._loader.columns_out(), self._handlers, self._lookups, loc=loc)
        return Built(self._loader, self._handlers, columns, self._lookups)

    def _look_up(self, at: int, handler: HandlerStep, registry: Steps) -> None:
        for name, given in handler.lookups().items():
            with self._found.inside("steps", at, "params", name):
                self._lookups[lookup_key(at, name)] = _source(given, registry, loc=())


def _source(config: SourceConfig, registry: Steps, *, loc: Loc = ("source",)) -> Loader:
    name = config.loader
    if name not in registry.loaders:
        known = ", ".join(registry.loaders)
        raise StepUnknown(loc=(*loc, "loader"), kind="loader", name=name, known=known)
    return registry.loaders[name].of(config.params, loc=(*loc, "params"))


def _made(
    step: StepConfig, known: Mapping[str, type[StepT]], at: int, *, misplaced: Mapping[str, type[Step]]
) -> StepT:
    loc = ("steps", at, "step")
    if step.step in misplaced:
        kind = misplaced[step.step].kind
        rule = "it must be the last step" if kind == "destination" else "the last step must be a destination"
        raise StepMisplaced(loc=loc, name=step.step, kind=kind, rule=rule)
    if step.step not in known:
        kind = next((plugin.kind for plugin in known.values()), "pipeline")
        raise StepUnknown(loc=loc, kind=kind, name=step.step, known=", ".join(known))
    return known[step.step].of(step.params, loc=("steps", at, "params"))
