"""Tables for people: columns as wide as what is in them, and no lines between."""

from collections.abc import Sequence

_GAP = "  "
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
_BLANKS = "\n\t"


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The head and the rows, one line each. What a terminal would obey is shown as `?`."""
    shown = [[printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def size(count: int | None) -> str:
    """A number of bytes as people read it; nothing where it isn't known."""
    if count is None:
        return ""
    value, unit = float(count), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def printable(text: str) -> str:
    """The text on one line, with `?` for what a terminal would obey."""
    return "".join(char if char.isprintable() else " " if char in _BLANKS else "?" for char in text)
