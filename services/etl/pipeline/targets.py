"""The engines that can be written to, found by discovery."""

from functools import lru_cache

from services.etl import destinations
from services.etl.destinations._target import Target
from shared.plugins import registry


@lru_cache(maxsize=1)
def targets() -> registry.Registry[Target]:
    """All targets by the type of their connection. Discovered once for each process."""
    return registry.discover(
        destinations,
        Target,  # type: ignore[type-abstract]  # subclasses of it are wanted
        entry_points="penstock.targets",
    )


def target_for(connection_type: str) -> type[Target]:
    """The target of a connection's type. Raises PluginUnknown."""
    return targets().find(connection_type)
