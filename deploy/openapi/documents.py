"""The OpenAPI documents of the services, from their declared operations: no server, no settings."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol

from services.etl import app as etl
from services.meta import app as meta
from services.system import app as system
from shared.http import openapi
from shared.version import VERSION

FOLDER = Path(__file__).parent


class Service(Protocol):
    """What a service's app module says about its interface."""

    NAME: str
    TITLE: str
    PREFIX: str
    FEATURES: Sequence[ModuleType]


SERVICES: tuple[Service, ...] = (system, meta, etl)


def documents() -> dict[Path, str]:
    """The file of each service's document, and the text that belongs into it."""
    return {FOLDER / f"{service.NAME}.json": _text(service) for service in SERVICES}


def _text(service: Service) -> str:
    found = openapi.document(
        service.NAME,
        title=service.TITLE,
        prefix=service.PREFIX,
        features=service.FEATURES,
        version=VERSION,
    )
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
