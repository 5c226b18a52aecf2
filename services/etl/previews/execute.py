"""Previews in the child process: the loader looks at its source, or a pipeline is tried on the beginning."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.etl.columns import Columns
from services.etl.pipeline.definition import SourceConfig
from services.etl.pipeline.errors import SourceInvalid
from services.etl.pipeline.landing import Landing
from services.etl.pipeline.registry import steps
from services.etl.pipeline.sources import lookups_of, source_of
from services.etl.pipeline.stages import Means
from services.etl.pipeline.validate import Built, assemble
from services.etl.previews.compared import Stage
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec
from services.etl.previews.pipeline import PipelinePreview, PipelineSpec, StepPreview, StepProblem
from services.etl.previews.staged import First, Watched
from services.etl.runner.messages import Reject
from services.etl.runs.rejected.schemas import RejectedRow
from shared.errors import Loc, PenstockError
from shared.security.guard import OutboundPolicy

DESTINATION: Final = "database_save"
_REJECTS: Final = 100
"""Rejected rows of a step that are shown."""

_CELLS: Final = 200_000
_BYTES: Final = 6 << 20
"""Cells and bytes of all rows that are shown together: an answer has to pass the pipe."""


def execute(spec: PreviewSpec, *, policy: OutboundPolicy, scratch: Path | None) -> PreviewResult:
    """Look at the beginning of a source. Raises PreviewRefused, or what the loader says of a bad source."""
    loaders, name = steps().loaders, spec.source.loader
    if name not in loaders:
        raise PreviewRefused(reason=f"there is no loader {name!r}", loc=("loader",))
    source = source_of(spec.source, policy=policy, scratch=scratch)
    return loaders[name].looked_at(spec, replace(source, beginning=True))


def execute_pipeline(spec: PipelineSpec, *, policy: OutboundPolicy, scratch: Path | None) -> PipelinePreview:
    """Try a pipeline on the beginning of its source. What fails in a step is told as that step's problem.

    Raises PipelineInvalid.
    """
    source = SourceConfig(loader=spec.source.loader, params=spec.source.params)
    built = assemble(source, spec.steps, steps())
    watched, first, problem = _Trial(spec, built, policy, scratch).carried_out()
    return PipelinePreview(
        steps=list(_told(watched, problem)),
        rows_read=watched.tally.read,
        complete=first.complete,
    )


class _Trial:
    def __init__(
        self, spec: PipelineSpec, built: Built, policy: OutboundPolicy, scratch: Path | None
    ) -> None:
        self._spec = spec
        self._built = built
        source = source_of(spec.source, policy=policy, scratch=scratch)
        self._source = replace(source, beginning=True)
        lookups = lookups_of(built, spec.lookups, policy=policy, scratch=scratch)
        self._means = Means(scratch=scratch, lookups=lookups)

    def carried_out(self) -> tuple[Watched, First, StepProblem | None]:
        first = First(self._spec.rows)
        watched = Watched(self._built, first, self._steps(), self._means)
        landing = self._landing()
        try:
            with self._built.loader.open(self._source) as reading:
                first.of(reading)
                if landing is None:
                    watched.through()
                else:
                    watched.landed(landing)
        except PenstockError as error:
            return watched, first, _problem(error, watched)
        except OSError:
            broken = SourceInvalid(reason="the file could not be read to its end")
            return watched, first, _problem(broken, watched)
        return watched, first, None

    def _steps(self) -> list[str]:
        names = [self._spec.source.loader, *(handler.name for handler in self._built.handlers)]
        return [*names, DESTINATION] if self._spec.target else names

    def _landing(self) -> Landing | None:
        target = self._spec.target
        if target is None:
            return None
        wanted = Columns(target.columns)
        columns = Columns(wanted.get(name) for name in self._built.columns[-1].names)
        return Landing(columns, engine=target.engine, key=tuple(target.key), mode=target.mode)


def _told(watched: Watched, problem: StepProblem | None) -> Iterator[StepPreview]:
    stages = len(watched.seen)
    before: Stage | None = None
    for at, seen in enumerate(watched.seen):
        failed = problem is not None and at == (watched.failed_at or 0)
        most = _CELLS // (stages * max(1, len(seen.columns)))
        after = Stage(seen, most=most)
        counts = watched.tally.steps[at]
        rows = after.rows(before, room=_BYTES // stages)
        whole = before is not None and not failed
        yield StepPreview(
            step=counts.step,
            position=at - 1,
            columns=list(seen.columns),
            counts=counts,
            milliseconds=round(seen.seconds * 1000, 3),
            rows=rows,
            gone=before.gone(after, counts, seen.rejected) if before and whole else [],
            rejects=[_row(reject) for reject in seen.rejects[:_REJECTS]],
            problem=problem if failed else None,
        )
        if failed:
            return
        before = after


def _row(reject: Reject) -> RejectedRow:
    return RejectedRow.model_validate(reject.model_dump())


def _problem(error: PenstockError, watched: Watched) -> StepProblem:
    at = (watched.failed_at or 0) - 1
    base: Loc = ("source",) if at < 0 else ("steps", at)
    places = error.all_faults()
    loc = (*base, "params", *places[0].loc) if places and places[0].loc else base
    return StepProblem(code=error.code(), message=str(error), loc=list(loc))
