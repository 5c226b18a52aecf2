"""Validation of a pipeline without data: every step's parameters, and the columns from step to step."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from services.etl.columns import Columns
from services.etl.destinations._base import DestinationStep
from services.etl.handlers._base import Handler
from services.etl.loaders._base import Loader
from services.etl.pipeline.definition import PipelineConfig, SourceConfig, StepConfig, TargetTable
from services.etl.pipeline.errors import StepMisplaced, StepUnknown
from services.etl.pipeline.fitting import check_columns
from services.etl.pipeline.job import JobSpec
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.step import Step
from shared.errors import Fault, Invalid, Loc, PenstockError

StepT = TypeVar("StepT", bound=Step)


class PipelineInvalid(Invalid):
    """The pipeline can't run as it is: {reason}."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline whose parameters are valid. `columns[i]` are those before handler i."""

    loader: Loader
    handlers: Sequence[Handler]
    destination: DestinationStep
    columns: Sequence[Columns]

    @property
    def columns_out(self) -> Columns:
        """The columns that reach the destination."""
        return self.columns[-1]


def validate(
    config: PipelineConfig, registry: Steps, *, target: TargetTable | None = None, loc: Loc = ()
) -> Pipeline:
    """Check a pipeline and work out its columns step by step.

    Raises PipelineInvalid with every place that is wrong, as `("steps", 2, "params", "columns", 0)` below
    `loc`. Without `target` the destination's columns are not compared with a table.
    """
    found = _Faults(loc)
    last = len(config.steps) - 1
    with found.inside():
        loader = _source(config.source, registry)
    handlers: list[Handler] = []
    for at, step in enumerate(config.steps[:last]):
        with found.inside():
            handlers.append(_made(step, registry.handlers, at, misplaced=registry.destinations))
    with found.inside():
        destination = _made(config.steps[last], registry.destinations, last, misplaced=registry.handlers)
    found.complain()
    columns = walk(loader.columns_out(), handlers, loc=loc)
    if target is not None:
        with found.inside("steps", last, "params"):
            destination.check(columns[-1], target)
        found.complain()
    return Pipeline(loader, handlers, destination, columns)


@dataclass(frozen=True, slots=True)
class Built:
    """The steps of a job, ready to work on data."""

    loader: Loader
    handlers: Sequence[Handler]
    columns: Sequence[Columns]


def build(job: JobSpec, registry: Steps) -> Built:
    """Make the steps of a job. Raises PipelineInvalid: a step may have changed since the task was saved."""
    found = _Faults(())
    with found.inside():
        loader = _source(SourceConfig(loader=job.source.loader, params=job.source.params), registry)
    handlers: list[Handler] = []
    for at, step in enumerate(job.steps):
        with found.inside():
            handlers.append(_made(step, registry.handlers, at, misplaced=registry.destinations))
    found.complain()
    columns = walk(loader.columns_out(), handlers)
    table = job.target.table()
    with found.inside("steps", len(handlers), "params"):
        check_columns(columns[-1], table, key=job.target.key if job.target.mode == "upsert" else ())
    found.complain()
    return Built(loader, handlers, columns)


def walk(columns: Columns, handlers: Sequence[Handler], *, loc: Loc = ()) -> list[Columns]:
    """The columns before each handler and after the last. Raises PipelineInvalid at the first that fails."""
    found = _Faults(loc)
    walked = [columns]
    for at, handler in enumerate(handlers):
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


def _source(config: SourceConfig, registry: Steps) -> Loader:
    name = config.loader
    if name not in registry.loaders:
        raise StepUnknown(
            loc=("source", "loader"), kind="loader", name=name, known=", ".join(registry.loaders)
        )
    return registry.loaders[name].of(config.params, loc=("source", "params"))


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
