"""Templates of texts: plain text with the names of columns in braces. Nothing in them is evaluated."""

import re
from dataclasses import dataclass
from typing import Final

from shared.errors import Invalid, Loc

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}\x00]{1,255})\}|[^{}]+|[{}]", re.DOTALL)


class TemplateInvalid(Invalid):
    """The template can't be used: {reason}."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: a column's value, or text."""

    text: str = ""
    column: str = ""


def parts_of(template: str, *, loc: Loc = ()) -> list[Part]:
    """The pieces of a template in order. Raises TemplateInvalid for a brace alone or where no column is."""
    parts: list[Part] = []
    for found in _PIECE.finditer(template):
        piece = found[0]
        if piece in {"{", "}"}:
            reason = f"the brace at position {found.start() + 1} is alone; write it twice if it is meant"
            raise TemplateInvalid(loc=loc, reason=reason)
        if found[1]:
            parts.append(Part(column=found[1]))
        else:
            parts.append(Part(text={"{{": "{", "}}": "}"}.get(piece, piece)))
    if not any(part.column for part in parts):
        raise TemplateInvalid(loc=loc, reason="it names no column, as {name}")
    if any("\x00" in part.text for part in parts):
        raise TemplateInvalid(loc=loc, reason="it holds a NUL character")
    return parts
