"""`python -m services.meta.operate`: commands for operators, beside a running Meta or without one."""

import sys

from services.meta.operate import commands
from services.meta.settings import MetaSettings
from shared.config.base import load
from shared.observe import logs


def main() -> int:
    """Carry out one command; the exit status."""
    logs.configure("meta", level="WARNING")
    return commands.run(lambda: load(MetaSettings), sys.argv[1:], prog="python -m services.meta.operate")


if __name__ == "__main__":
    raise SystemExit(main())
