"""How a run's own parameters change what its task says, and which rejected records can be read again."""

from typing import Final

from services.etl.handlers._base import Handler
from services.etl.pipeline.definition import PipelineConfig, SourceConfig
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.validate import Pipeline, validated
from services.etl.runs.rejected.errors import RejectsNotReplayable
from services.etl.runs.schemas import RunParameters
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.identifiers import FileId, RunId, TaskId

from .errors import SourceFixed
from .repository import TaskRepository

_OF_VALUES: Final = frozenset(
    {
        "file_id", "file_column", "columns", "null_tokens", "quoted_nulls", "true_tokens", "false_tokens",
        "decimal_sign", "thousands_sign", "trim", "errors", "extra_columns", "extra_column", "on_error",
    }
)  # fmt: skip
"""Parameters of loaders that say how values are read. The others may say which records there are."""


async def applied(config: PipelineConfig, parameters: RunParameters, steps: Steps) -> PipelineConfig:
    """The pipeline of one run. Raises SourceFixed where it can't read another file."""
    if parameters.file_id is None:
        return config
    source = config.source
    if (await validated(config, steps)).loader.needs().file_id is None:
        raise SourceFixed(loc=("body", "file_id"))
    changed = SourceConfig(loader=source.loader, params={**source.params, "file_id": str(parameters.file_id)})
    return config.model_copy(update={"source": changed})


class Replaying:
    """Judges whether the records that a run has rejected still name the same rows."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    async def replayed_file(
        self, scope: TenantScope, task_id: TaskId, revision: int, *, parameters: RunParameters, run_id: RunId
    ) -> FileId:
        """The file that a run of this revision has read.

        Raises TaskUnknown, or RejectsNotReplayable where its records don't name the same rows for the
        newest revision, where rows depend on each other, or where they would be all that is left.
        """
        async with self._database.read() as session:
            tasks = TaskRepository(session)
            task = await tasks.get(scope, task_id)
            old = await applied(await tasks.pipeline(task, revision), parameters, self._steps)
        new = PipelineConfig.model_validate(task.pipeline)
        before, after = await validated(old, self._steps), await validated(new, self._steps)
        if reason := (
            _refusal(old, new)
            or _refusal_of_steps(before)
            or _refusal_of_steps(after)
            or _refusal_of_destination(after)
        ):
            raise RejectsNotReplayable(run_id=run_id, reason=reason)
        file_id = before.loader.needs().file_id
        if file_id is None:
            raise RejectsNotReplayable(run_id=run_id, reason="the task doesn't read a single uploaded file")
        return FileId(file_id)


def _refusal(old: PipelineConfig, new: PipelineConfig) -> str | None:
    if old.source.loader != new.source.loader:
        return "the task has another loader since"
    before, after = old.source.params, new.source.params
    changed = sorted(
        name for name in (before.keys() | after.keys()) - _OF_VALUES if before.get(name) != after.get(name)
    )
    return f"the task's {changed[0]} has changed, so records may be numbered differently" if changed else None


def _refusal_of_steps(pipeline: Pipeline) -> str | None:
    for step in pipeline.handlers:
        if not isinstance(step, Handler):
            return f"the step {step.name} works on the table as a whole"
        if step.multiplies:
            return f"the step {step.name} makes several rows of one"
    return None


def _refusal_of_destination(pipeline: Pipeline) -> str | None:
    if not pipeline.destination.replaces_all:
        return None
    return f"{pipeline.destination.name} would put them in the place of the rows that the run has written"
