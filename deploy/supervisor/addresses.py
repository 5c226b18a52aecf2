"""The addresses of the servers that a team runs against, as the settings have them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

USUAL_PORTS: Final = {"amqp": 5672, "amqps": 5671, "postgresql+asyncpg": 5432}


def address_of(setting: str, environment: Mapping[str, str]) -> tuple[str, int]:
    """Host and port; OSError when its file can't be read.

    The ValueError says what is wrong without the URL, which holds a password.
    """
    value = _value(setting, environment)
    if not value:
        raise ValueError("is empty")
    try:
        parts = urlsplit(value)
        usual = USUAL_PORTS[parts.scheme]
        port = parts.port or usual
    except KeyError:
        raise ValueError(f"doesn't begin with {', '.join(f'{known}://' for known in USUAL_PORTS)}") from None
    except ValueError:
        raise ValueError("is not a URL") from None
    if not parts.hostname:
        raise ValueError("names no host")
    return parts.hostname, port


def endpoints(settings: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    """`host:port` of each of these; one that can't be read is for its process to refuse."""
    for setting in settings:
        try:
            host, port = address_of(setting, environment)
        except (OSError, ValueError):
            continue
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _value(setting: str, environment: Mapping[str, str]) -> str:
    if environment.get(setting):
        return environment[setting]
    return Path(environment[f"{setting}_FILE"]).read_text(encoding="utf-8").strip()
