"""The collaborators of an application, by type."""

from typing import Any, TypeVar

T = TypeVar("T")


class Services:
    """A typed registry, filled by hand in a service's `wiring.py` and read by its operations."""

    def __init__(self) -> None:
        self._instances: dict[type[Any], Any] = {}

    def add(self, kind: type[T], instance: T) -> T:
        """Register the one instance of this type and return it; a second one is a mistake."""
        if kind in self._instances:
            raise ValueError(f"{kind.__qualname__} is registered already")
        self._instances[kind] = instance
        return instance

    def get(self, kind: type[T]) -> T:
        """The instance of this type. LookupError, naming the type, when nobody registered one."""
        try:
            instance: T = self._instances[kind]
        except KeyError:
            raise LookupError(f"no {kind.__qualname__} is registered; see the service's wiring.py") from None
        return instance
