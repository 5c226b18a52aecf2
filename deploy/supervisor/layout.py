"""Where things are, whatever folder the command is called from."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """The folders of one installation: its code in `root`, its data in `var`."""

    root: Path
    var: Path

    @classmethod
    def of(cls, environment: Mapping[str, str], root: Path = ROOT) -> "Layout":
        """PENSTOCK_VAR names the data's folder; a relative one is meant from the root."""
        var = Path(environment.get("PENSTOCK_VAR") or "var").expanduser()
        return cls(root, (root / var).absolute())

    @property
    def lock(self) -> Path:
        """Held by the running process, which writes into it who it is."""
        return self.var / "penstock.lock"

    @property
    def log(self) -> Path:
        return self.var / "logs" / "penstock.log"

    @property
    def first_passwords(self) -> Path:
        return self.var / "first-passwords.txt"

    @property
    def python(self) -> Path:
        """The interpreter of the virtual environment; without one, that of this command."""
        own = self.root / ".venv" / "bin" / "python"
        return own if os.access(own, os.X_OK) else Path(sys.executable)

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a process of this installation."""
        return {**os.environ, "PENSTOCK_VAR": str(self.var), "PYTHONUNBUFFERED": "1", **changes}
