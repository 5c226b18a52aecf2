"""All steps that there are, by kind, found by discovery."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.etl import destinations, handlers, loaders
from services.etl.destinations._base import DestinationStep
from services.etl.handlers._base import HandlerStep
from services.etl.loaders._base import Loader
from shared.plugins import registry


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps that a pipeline can be made of."""

    loaders: Mapping[str, type[Loader]]
    handlers: Mapping[str, type[HandlerStep]]
    destinations: Mapping[str, type[DestinationStep]]


@lru_cache(maxsize=1)
def steps() -> Steps:
    """Discover them: ours, then those of third parties by entry points. Done once for each process."""
    return Steps(
        loaders=registry.discover(
            loaders,
            Loader,  # type: ignore[type-abstract]  # subclasses of it are wanted
            entry_points="penstock.loaders",
        ),
        handlers=registry.discover(
            handlers,
            HandlerStep,  # type: ignore[type-abstract]  # subclasses of it are wanted
            entry_points="penstock.handlers",
        ),
        destinations=registry.discover(
            destinations,
            DestinationStep,  # type: ignore[type-abstract]  # subclasses of it are wanted
            entry_points="penstock.destinations",
        ),
    )
