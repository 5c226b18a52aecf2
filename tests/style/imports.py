"""Which modules a file imports, and whether that happens as soon as it is imported itself."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.style.sources import Source

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Import:
    """One imported module."""

    module: str
    line: int
    eager: bool
    """It happens at import: neither inside a function nor under TYPE_CHECKING."""
    names: tuple[str, ...] = ()
    """What is taken out of the module: `from module import names`."""

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports_of(source: Source) -> list[Import]:
    """All imports of a file, wherever they stand."""
    return list(_below(source.tree, eager=True))


def loaded_with(roots: Iterable[str], modules: Mapping[str, Source]) -> dict[str, str]:
    """The modules of ours that are loaded when the roots are imported, each with the one that did it."""
    reached = dict.fromkeys(roots, "")
    waiting = list(reached)
    while waiting:
        importer = waiting.pop()
        for module in _eager_modules(importer, modules):
            if module in modules and module not in reached:
                reached[module] = importer
                waiting.append(module)
    return reached


def _eager_modules(importer: str, modules: Mapping[str, Source]) -> Iterator[str]:
    for found in imports_of(modules[importer]):
        if found.eager:
            parts = found.module.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
            yield from (f"{found.module}.{name}" for name in found.names)


def _below(node: ast.AST, *, eager: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, eager) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            names = tuple(alias.name for alias in child.names)
            yield Import("." * child.level + (child.module or ""), child.lineno, eager, names)
        else:
            yield from _below(child, eager=eager and not _lazy(child))


def _lazy(node: ast.AST) -> bool:
    if isinstance(node, Function):
        return True
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
