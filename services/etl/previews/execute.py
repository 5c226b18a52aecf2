"""Previews in the child process: the loader looks at the beginning of its source."""

from services.etl.pipeline.registry import steps
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec


def execute(spec: PreviewSpec) -> PreviewResult:
    """Look at the beginning of a source. Raises PreviewRefused, or what the loader says of a bad source."""
    loaders = steps().loaders
    if spec.loader not in loaders:
        raise PreviewRefused(reason=f"there is no loader {spec.loader!r}", loc=("loader",))
    return loaders[spec.loader].preview(spec)
