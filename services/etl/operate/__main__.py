"""`python -m services.etl.operate`: commands for operators, beside a running ETL service or without one."""

import sys

from services.etl.operate import commands
from services.etl.settings import EtlSettings
from shared.config.base import load
from shared.observe import logs


def main() -> int:
    """Carry out one command; the exit status."""
    logs.configure("etl", level="WARNING")
    return commands.run(lambda: load(EtlSettings), sys.argv[1:], prog="python -m services.etl.operate")


if __name__ == "__main__":
    raise SystemExit(main())
