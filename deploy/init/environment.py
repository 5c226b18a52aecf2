"""The file .env that compose reads: lines are added to it and never changed."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_QUOTED = re.compile(r"""(["'])(.*?)\1""")
_COMMENT = re.compile(r"(?:^|\s+)#")
HEADER = "# Written by `make init`, which only ever adds what is missing. Secrets are in PENSTOCK_FOLDER.\n"


@dataclass
class Environment:
    """`made` and `kept` are the names of the variables that `add` has written and found."""

    path: Path
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def values(self) -> dict[str, str]:
        """What the file says; of a variable that stands there twice, the last counts."""
        if not self.path.exists():
            return {}
        lines = self.path.read_text(encoding="utf-8").splitlines()
        found = (_LINE.fullmatch(line) for line in lines)
        return {one[1]: _value(one[2]) for one in found if one}

    def add(self, wanted: Mapping[str, Callable[[], str]], *, may_be_empty: Collection[str] = ()) -> None:
        """Write the variables that are missing, for which compose takes those without a value, too.

        What would have to be asked is asked for those only.
        """
        known = {name: value for name, value in self.values().items() if value or name in may_be_empty}
        self.kept = [name for name in wanted if name in known]
        new = {name: make() for name, make in wanted.items() if name not in known}
        old = self.path.read_text(encoding="utf-8") if self.path.exists() else HEADER
        if old and not old.endswith("\n"):
            old += "\n"
        self._write(old + "".join(f"{name}={value}\n" for name, value in new.items()))
        self.made = list(new)

    def _write(self, text: str) -> None:
        draft = self.path.with_name(f"{self.path.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.rename(self.path)


def _value(text: str) -> str:
    """As compose reads it: without its quotes, or else without the comment behind it."""
    text = text.strip()
    quoted = _QUOTED.match(text)
    return quoted[2] if quoted else _COMMENT.split(text)[0]
