"""Log events as lines: JSON for machines, text for people; one entry can't pass for two."""

import re
from typing import Any

import orjson
from structlog.typing import EventDict, WrappedLogger

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[\w.,:;/@%+\-*()\[\]]+")
_FIRST = ("timestamp", "level", "event")


def render_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    """One JSON object in one line, beginning with time, level and event."""
    first = {key: event[key] for key in _FIRST if key in event}
    return orjson.dumps({**first, **event}, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def render_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Time, level, event and the facts as key=value; a stack follows in lines that begin with a bar."""
    stack = "\n".join(str(event.pop(key)) for key in ("exception", "stack") if key in event)
    time, level = str(event.pop("timestamp", ""))[11:23], event.pop("level", "")
    head = f"{time} {level:<8} {_escaped(event.pop('event', ''))}"
    facts = "".join(f" {_escaped(key)}={_quoted(value)}" for key, value in event.items())
    tail = "".join(f"\n  | {_escaped(line)}" for line in stack.splitlines())
    return head + facts + tail


def _quoted(value: Any) -> str:
    text = _escaped(value)
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '\\"') + '"'


def _escaped(value: Any) -> str:
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), str(value))
