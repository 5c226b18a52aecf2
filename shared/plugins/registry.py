"""Discovery of plug-ins: one file, one class, nothing to register."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from types import ModuleType
from typing import Generic, TypeVar, cast

from shared.errors import Invalid, Loc
from shared.observe import logs

T = TypeVar("T")

_log = logs.get(__name__)


class PluginUnknown(Invalid):
    """There is no {kind} named {name}; there are: {known}."""


class PluginBroken(Exception):
    """A plug-in of our own can't be used."""


class Registry(Mapping[str, type[T]], Generic[T]):
    """The plug-ins of one kind by name, in the order of their names."""

    def __init__(self, kind: str, plugins: Mapping[str, type[T]]) -> None:
        self.kind = kind
        self._plugins = dict(sorted(plugins.items()))

    def __getitem__(self, name: str) -> type[T]:
        return self._plugins[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def __len__(self) -> int:
        return len(self._plugins)

    def find(self, name: str, *, loc: Loc = ()) -> type[T]:
        """The plug-in of this name. Raises `PluginUnknown`, which names the others and `loc`."""
        try:
            return self._plugins[name]
        except KeyError:
            known = ", ".join(self._plugins)
            raise PluginUnknown(kind=self.kind, name=name, known=known, loc=loc) from None


def discover(package: ModuleType, base: type[T], *, entry_points: str | None = None) -> Registry[T]:
    """All concrete subclasses of `base` in the modules of a package, then those of an entry point group.

    A plug-in is a class with a `name` of its own; modules whose names begin with an underscore are left
    out. A broken plug-in of ours raises `PluginBroken`; a third party's is logged and left out.
    """
    found: dict[str, type[T]] = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            for plugin in _plugins_in(_import(module.name), base):
                _add(found, plugin)
    for entry_point in metadata.entry_points(group=entry_points) if entry_points else ():
        try:
            _add(found, _third_party(entry_point, base))
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a third party's code raises
            _log.exception("plugin_skipped", group=entry_points, plugin=entry_point.name)
    return Registry(getattr(base, "kind", base.__name__.lower()), found)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise PluginBroken(f"{name} can't be imported: {error}") from error


def _plugins_in(module: ModuleType, base: type[T]) -> Iterator[type[T]]:
    for value in vars(module).values():
        if _is_plugin(value, base) and value.__module__ == module.__name__:
            yield value


def _is_plugin(value: object, base: type[T]) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, base)
        and value is not base
        and not inspect.isabstract(value)
        and not value.__name__.startswith("_")
    )


def _third_party(entry_point: metadata.EntryPoint, base: type[T]) -> type[T]:
    plugin = entry_point.load()
    if not _is_plugin(plugin, base):
        raise PluginBroken(f"{entry_point.value} is no {base.__name__}")
    return cast("type[T]", plugin)


def _add(found: dict[str, type[T]], plugin: type[T]) -> None:
    name = getattr(plugin, "name", None)
    if not isinstance(name, str) or not name:
        raise PluginBroken(f"{plugin.__module__}.{plugin.__name__} has no name")
    if not (plugin.__doc__ or "").strip():
        raise PluginBroken(f"{plugin.__module__}.{plugin.__name__} has no docstring")
    if name in found:
        raise PluginBroken(f"{plugin.__module__}.{plugin.__name__} has the name of {found[name].__module__}")
    found[name] = plugin
