#!/usr/bin/env python3
"""Operate Penstock: processes, databases, data tables. `manage.py --help` names the commands."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from deploy.supervisor.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
