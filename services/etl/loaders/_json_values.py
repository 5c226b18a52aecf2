"""JSON values with their numbers as they are written: nothing passes through a float."""

import json
from typing import Any

from services.etl.pipeline.json_paths import Number, dumps


class TooDeep(ValueError):
    """Objects and lists are nested too deeply."""


class Decoder:
    """Parses JSON texts. Names of objects that are there twice, and numbers that JSON has not, are noted."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []
        decoder = json.JSONDecoder(
            parse_float=Number,
            parse_int=Number,
            parse_constant=self._constant,
            object_pairs_hook=self._object,
        )
        self._scan = decoder.scan_once  # type: ignore[attr-defined]  # the stubs leave it out

    def decode(self, text: str) -> Any:
        """The only value of a text without blanks around it. Raises TooDeep or `json.JSONDecodeError`."""
        value, end = self.scan(text, 0)
        if end != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
        return value

    def scan(self, text: str, at: int) -> tuple[Any, int]:
        """The value that begins at a place, and where it ends. Raises as `decode`."""
        try:
            value, end = self._scan(text, at)
        except StopIteration as stopped:
            raise json.JSONDecodeError("Expecting value", text, stopped.value) from None
        except RecursionError:
            raise TooDeep from None
        return value, int(end)

    def noted(self) -> tuple[str, str] | None:
        """The first thing that was wrong since the last call, as a code and a reason."""
        if not self.notes:
            return None
        first = self.notes[0]
        self.notes.clear()
        return first

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            double = next(name for at, name in enumerate(names) if name in names[:at])
            self.notes.append(("key_duplicate", f"has the key {double[:80]!r} twice"))
        return made

    def _constant(self, word: str) -> Number:
        self.notes.append(("not_json", f"holds {word}, which is no JSON"))
        return Number(word)


def dump(value: Any) -> str:
    """A value as JSON text without blanks, its numbers as they were. Raises TooDeep."""
    try:
        return dumps(value)
    except RecursionError:
        raise TooDeep from None
