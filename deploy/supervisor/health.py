"""Ask a running Penstock how it is."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment is not for our own loopback."""


@dataclass(frozen=True)
class Health:
    """The answer of /health/ready; `detail` names the services that are ready, or says what is not.

    `away` is what it can do without for a while and doesn't reach right now.
    """

    ready: bool
    reached: bool
    detail: str = ""
    away: tuple[str, ...] = ()


def ask(url: str, *, timeout: float = 3.0) -> Health:
    """The health of the process at the URL; not reached is an answer too."""
    try:
        with DIRECT.open(f"{url}/health/ready", timeout=timeout) as answer:
            told = _document(answer.read())
            services, away = told.get("services", []), told.get("away", [])
            detail = ", ".join(map(str, services))
            return Health(ready=True, reached=True, detail=detail, away=tuple(map(str, away)))
    except urllib.error.HTTPError as error:
        return Health(ready=False, reached=True, detail=str(_document(error.read()).get("detail", error)))
    except (OSError, ValueError):
        return Health(ready=False, reached=False, detail="no answer")


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
