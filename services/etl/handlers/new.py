"""Begin a handler of your own: `python -m services.etl.handlers.new NAME [FOLDER]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HANDLER: Final = '''\
"""Cut blanks off both ends of texts."""

from typing import TYPE_CHECKING

from pydantic import Field

from services.etl.columns import ColumnNames, Columns
from services.etl.handlers._base import Handler
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame


class {title}(Handler):
    """Cut blanks off both ends of texts."""

    name = "{name}"
    examples = ({{"columns": ["name"]}},)

    class Params(Handler.Params):
        columns: ColumnNames = Field(description="The columns to trim.")

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        columns.only(self.params.columns, loc=("columns",))  # an unknown name is refused, with its place
        return columns

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        trimmed = {{name: frame[name].str.strip() for name in self.params.columns}}
        return frame.assign(**trimmed)
'''
_TEST: Final = """\
from {name} import {title}

from services.etl.columns import Column, Columns, ColumnType
from services.etl.pipeline.handler_contract import check_handler


def test_it_keeps_the_contract_of_handlers() -> None:
    check_handler({title}, Columns([Column(name="name", type=ColumnType("text"))]))
"""
_PROJECT: Final = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "penstock-{dashed}"
version = "0.1.0"

[project.entry-points."penstock.handlers"]
{name} = "{name}:{title}"

[tool.setuptools]
py-modules = ["{name}"]
"""


def write(name: str, folder: Path) -> list[Path]:
    """Write a package with a handler that works, its test and its entry point. Raises FileExistsError."""
    words = {
        "name": name,
        "title": "".join(part.capitalize() for part in name.split("_")),
        "dashed": name.replace("_", "-"),
    }
    files = {f"{name}.py": _HANDLER, f"test_{name}.py": _TEST, "pyproject.toml": _PROJECT}
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file, template in files.items():
        path = folder / file
        with path.open("x", encoding="utf-8") as opened:
            opened.write(template.format_map(words))
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files and say which. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.etl.handlers.new", description=__doc__)
    parser.add_argument("name", help="the name of the step: small letters, digits and _")
    parser.add_argument("folder", nargs="?", type=Path, help="where to; penstock-NAME without")
    given = parser.parse_args(arguments)
    name = str(given.name)
    if not (name.isascii() and name.isidentifier() and name == name.lower() and name[0].isalpha()):
        parser.error(f"{name!r} is no name of a step: small letters, digits and _")
    try:
        written = write(name, given.folder or Path(f"penstock-{name.replace('_', '-')}"))
    except FileExistsError as error:
        parser.error(f"{error.filename} is there already")
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
