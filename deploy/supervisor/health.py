"""Ask a running Penstock how it is."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment is not for our own loopback."""


@dataclass(frozen=True)
class Health:
    """The answer of /health/ready: whether all is ready, and each check by its name."""

    ready: bool
    reached: bool
    checks: dict[str, Any] = field(default_factory=dict)


def ask(url: str, *, timeout: float = 3.0) -> Health:
    """The health of the process at the URL; not reached is an answer too."""
    try:
        with DIRECT.open(f"{url}/health/ready", timeout=timeout) as answer:
            return Health(ready=True, reached=True, checks=_checks(answer.read()))
    except urllib.error.HTTPError as error:
        return Health(ready=False, reached=True, checks=_checks(error.read()))
    except (OSError, ValueError):
        return Health(ready=False, reached=False)


def _checks(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body).get("checks", {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}
