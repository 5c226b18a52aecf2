"""Small files, small functions: what outgrows them has found a second reason to change."""

import ast

from tests.style.sources import CODE, sources

FILE_LINES = 300
FUNCTION_LINES = 40
LONGER_FILES: dict[str, str] = {}
LONGER_FUNCTIONS: dict[str, str] = {
    "shared/http/operation.py::operation": "a decorator: its parameters and the text that explains them",
}
"""Name -> reason, for the few that are better in one piece."""
CALLED_BY_OTHERS = {"shared/config/base.py::settings_customise_sources": "pydantic-settings calls it so"}
"""Name -> reason, for functions whose parameters are a library's."""


def test_no_file_is_longer_than_it_can_be_read_in_one_go() -> None:
    long = {
        source.name: source.length
        for source in sources(*CODE, "tests", "manage.py")
        if source.length > FILE_LINES
    }
    assert {name: length for name, length in long.items() if name not in LONGER_FILES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{source.name}::{node.name}": length
        for source in sources(*CODE, "tests", "manage.py")
        if "/versions/" not in source.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    }
    assert {name: length for name, length in long.items() if name not in LONGER_FUNCTIONS} == {}


def test_the_exceptions_are_still_needed() -> None:
    lengths = {source.name: source.length for source in sources(*CODE, "tests")}
    assert [name for name in LONGER_FILES if lengths.get(name, 0) <= FILE_LINES] == []


def test_no_function_takes_more_than_four_positional_parameters() -> None:
    crowded = {
        f"{source.name}::{node.name}"
        for source in sources(*CODE)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and len(_positional(node)) > 4
    }
    assert crowded - set(CALLED_BY_OTHERS) == set()


def _positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The positional parameters without self; an operation's handler takes what its path names."""
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    if any("operation" in ast.unparse(decorator) for decorator in node.decorator_list):
        return []
    return [name for name in names if name not in {"self", "cls"}]
