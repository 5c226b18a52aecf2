from services.etl.pipeline.registry import Steps
from shared.plugins.describe import PluginDescription, describe

from .errors import HandlerUnknown
from .schemas import StepKind


class Catalogue:
    """The steps of pipelines, as they describe themselves. Made once: steps don't change while we run."""

    def __init__(self, steps: Steps) -> None:
        found = (
            describe(step)
            for kind in (steps.loaders, steps.handlers, steps.destinations)
            for step in kind.values()
        )
        self._steps = {description.name: description for description in found}

    def listed(self, kind: StepKind | None) -> list[PluginDescription]:
        """All steps, or those of one kind."""
        return [step for step in self._steps.values() if kind is None or step.kind == kind]

    def get(self, name: str) -> PluginDescription:
        """One step. Raises HandlerUnknown."""
        try:
            return self._steps[name]
        except KeyError:
            raise HandlerUnknown(name=name[:80]) from None
