#!/usr/bin/env python3
"""Operate Penstock: start, stop, restart, status, logs, migrate, doctor, reset-password."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from deploy.supervisor.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
