"""All steps that there are, by kind, found by discovery. Third parties bring handlers, by entry points."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from services.etl import destinations, handlers, loaders
from services.etl.destinations._base import DestinationStep
from services.etl.handlers._base import HandlerStep
from services.etl.loaders._base import Loader
from services.etl.pipeline import third_party
from shared.plugins import registry


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps that a pipeline can be made of."""

    loaders: Mapping[str, type[Loader]]
    handlers: Mapping[str, type[HandlerStep]]
    destinations: Mapping[str, type[DestinationStep]]


@lru_cache(maxsize=1)
def own_steps() -> Steps:
    """Discover those of Penstock itself. Done once for each process, as all of these."""
    return Steps(
        loaders=registry.discover(loaders, Loader),  # type: ignore[type-abstract]  # subclasses are wanted
        handlers=registry.discover(
            handlers,
            HandlerStep,  # type: ignore[type-abstract]  # as above
        ),
        destinations=registry.discover(
            destinations,
            DestinationStep,  # type: ignore[type-abstract]  # as above
        ),
    )


@lru_cache(maxsize=1)
def steps() -> Steps:
    """All steps with their code, handlers of third parties too: for the children that run and preview."""
    theirs = registry.discover(
        handlers,
        HandlerStep,  # type: ignore[type-abstract]  # as above
        entry_points=third_party.GROUP,
    )
    return replace(own_steps(), handlers=theirs)


@lru_cache(maxsize=1)
def known_steps() -> Steps:
    """All steps as the services may know them: handlers of third parties are described by a child."""
    return replace(own_steps(), handlers={**own_steps().handlers, **third_party.described()})
