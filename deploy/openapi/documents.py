"""The OpenAPI documents of the services, from their declared operations: no server, no settings."""

import json
from pathlib import Path

from services.etl import app as etl
from services.meta import app as meta
from services.system import app as system
from shared.http import health, openapi
from shared.version import VERSION

FOLDER = Path(__file__).parent
SERVICES = (system, meta, etl)


def documents() -> dict[Path, str]:
    """The file of each service's document, and the text that belongs into it."""
    return {FOLDER / f"{service.NAME}.json": _text(service) for service in SERVICES}


def _text(service: "system | meta | etl") -> str:
    features = (*service.FEATURES, health)
    found = openapi.document(
        service.NAME, title=service.TITLE, prefix=service.PREFIX, features=features, version=VERSION
    )
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
