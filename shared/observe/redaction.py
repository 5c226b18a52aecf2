"""Secrets are taken out of every log line: known values, telling names, and telling shapes."""

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from structlog.typing import EventDict, WrappedLogger

MASK = "[redacted]"
_MOST_SECRETS = 20_000
_SHORTEST_ANYWHERE = 4
_DEEPEST = 8
_MAX_INT = 2**63 - 1
_SHORTEST_LINE = 6

_NAMES = re.compile(
    r"passw|secret|(?:^|_)token$|authorization|cookie|api_?key|passphrase|private_?key|master_?key|credential",
    re.IGNORECASE,
)
_SHAPES = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JSON web token
    r"|(?<=://)[^\s/:@]*:[^\s/@]+(?=@)"  # user:password@ in an address
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}"
    r"|(?<=\[SQL: )(?!\[redacted\]).+?(?=\](?:\n|$))"  # a statement in an error of SQLAlchemy
    r"|(?<=^DETAIL: )(?! *\[redacted\]).+?$",  # values of a row in an error of PostgreSQL
    re.DOTALL | re.MULTILINE,
)


class _Secrets:
    def __init__(self) -> None:
        self._values: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        if not secret:
            return
        with self._lock:
            if secret not in self._values:
                self._pattern = None
            self._values[secret] = None
            self._values.move_to_end(secret)
            while len(self._values) > _MOST_SECRETS:
                self._values.popitem(last=False)

    def clean(self, text: str) -> str:
        pattern = self._pattern or self._compile()
        return pattern.sub(MASK, text)

    def is_secret(self, text: str) -> bool:
        return text in self._values

    def _compile(self) -> re.Pattern[str]:
        with self._lock:
            spellings = {spelling for secret in self._values for spelling in _spellings(secret)}
            longest_first = sorted(spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_bounded, longest_first)) or r"(?!)")
            return self._pattern


_secrets = _Secrets()


def redact(secret: str) -> None:
    """Replace this value in every log line from now on, however it is escaped.

    Values of up to three characters are replaced where they stand as a word of their own.
    """
    _secrets.add(secret)


def clean_text(text: str) -> str:
    """A text without known secrets, tokens and passwords in addresses."""
    writable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _SHAPES.sub(MASK, _secrets.clean(writable))


def clean_line(line: str) -> str:
    """The last net under a rendered line: what a value hid until it was rendered."""
    return _SHAPES.sub(MASK, line)


def clean_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Clean all values of a log event, at any depth; values under telling names go altogether."""
    return {str(key): _cleaned(str(key), value, 0) for key, value in event.items()}


def _cleaned(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _NAMES.search(key):
        return MASK
    if isinstance(value, int | float):
        return MASK if _secrets.is_secret(str(value)) else _writable(value)
    return _cleaned_inside(value, depth)


def _cleaned_inside(value: Any, depth: int) -> Any:
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                clean_text(str(key)): _cleaned(str(key), inner, depth + 1) for key, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_cleaned("", inner, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return clean_text(value.decode("utf-8", "backslashreplace"))
    return clean_text(value if isinstance(value, str) else _text(value))


def _writable(number: Any) -> Any:
    """JSON's writer takes 64-bit integers only."""
    return number if isinstance(number, float) or abs(number) <= _MAX_INT else str(number)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - what can't be shown must not break the line
        return f"<{type(value).__name__} can't be shown: {type(error).__name__}>"


def _spellings(secret: str) -> set[str]:
    """The secret as it stands, as JSON, as Python's repr and in a URL, and each line of a long one.

    A traceback of a group indents every line, so a secret of several lines isn't found as a whole.
    """
    return {
        secret,
        *(line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE),
        repr(secret.encode())[2:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
    }


def _bounded(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= _SHORTEST_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"
