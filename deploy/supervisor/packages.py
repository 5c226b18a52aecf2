"""Compare the packages of an interpreter with those that are locked."""

import json
import re
import subprocess
from pathlib import Path

ASK = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}))
"""
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def differing(python: Path, requirements: Path) -> list[str]:
    """The locked packages that are missing or have another version, by name, in order."""
    wanted: dict[str, set[str]] = {}
    for name, version in PIN.findall(requirements.read_text(encoding="utf-8")):
        wanted.setdefault(_normal(name), set()).add(version)
    found = _installed(python)
    return sorted(name for name, versions in wanted.items() if found.get(name) not in versions)


def _installed(python: Path) -> dict[str, str]:
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", ASK], capture_output=True, text=True, check=True, timeout=30
        )
        return {_normal(name): version for name, version in json.loads(done.stdout).items() if name}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def _normal(name: str) -> str:
    """The name as packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
