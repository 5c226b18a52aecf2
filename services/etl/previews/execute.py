"""Previews in the child process: the loader looks at the beginning of its source."""

from pathlib import Path

from services.etl.pipeline.registry import steps
from services.etl.pipeline.sources import source_of
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec
from shared.security.guard import OutboundPolicy


def execute(spec: PreviewSpec, *, policy: OutboundPolicy, scratch: Path | None) -> PreviewResult:
    """Look at the beginning of a source. Raises PreviewRefused, or what the loader says of a bad source."""
    loaders, name = steps().loaders, spec.source.loader
    if name not in loaders:
        raise PreviewRefused(reason=f"there is no loader {name!r}", loc=("loader",))
    return loaders[name].preview(spec, source_of(spec.source, policy=policy, scratch=scratch))
