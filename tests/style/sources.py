"""The files of the house, for the tests that read them instead of running them."""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("shared", "services", "deploy")
NOT_OURS = {"var", "node_modules", "dist", "__pycache__"}
TEXT = {".py", ".md", ".toml", ".txt", ".ini", ".json", ".yml", ".yaml", ".sh", ".cfg", ".html", ".css", ""}


@dataclass(frozen=True)
class Source:
    """One Python file: where it is, what it says, and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The path from the root, with slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def length(self) -> int:
        return len(self.text.splitlines())

    def comments(self) -> Iterator[tuple[int, str]]:
        """Line and text of every comment."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


@cache
def read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path, text, ast.parse(text))


def sources(*folders: str) -> list[Source]:
    """The Python files below folders of the root, in order; a folder may also name one file."""
    paths = [path for folder in folders for path in _python_files(ROOT / folder)]
    return [read(path) for path in sorted(paths)]


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every text file of the house."""
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        if not _skipped(relative) and path.is_file() and path.suffix in TEXT:
            yield relative.as_posix(), path.read_text(encoding="utf-8", errors="replace")


def _skipped(path: Path) -> bool:
    """What tools leave behind, and what git ignores."""
    return any(part in NOT_OURS or (part.startswith(".") and part != ".ci") for part in path.parts[:-1])


def _python_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (found for found in path.rglob("*.py") if "__pycache__" not in found.parts)
