"""What the demo shows: headings, small tables, and one progress line. Plain when not a terminal."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

_TERMINAL: Final = sys.stdout.isatty()
_BAR_WIDTH: Final = 30
_PLAIN_INTERVAL: Final = 2.0


def heading(text: str) -> None:
    print()
    print(f"\033[1m{text}\033[0m" if _TERMINAL else f"== {text}", flush=True)


def say(text: str = "") -> None:
    print(f"   {text}" if text else "", flush=True)


def block(text: str) -> None:
    for line in text.rstrip().splitlines():
        say(f"  {line}")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A small table; numbers are set to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in cells)]) for i, head in enumerate(columns)]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(columns))]
    for row in [list(columns), ["-" * width for width in widths], *cells]:
        line = "  ".join(
            cell.rjust(width) if aligned else cell.ljust(width)
            for cell, width, aligned in zip(row, widths, right, strict=True)
        )
        say(f"  {line.rstrip()}")


class Progress:
    """One line that moves on a terminal; a line every two seconds elsewhere."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._shown = 0.0
        self._width = 0

    def show(self, done: int, total: int, words: str) -> None:
        share = min(1.0, done / total) if total else 0.0
        filled = round(share * _BAR_WIDTH)
        line = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {share:4.0%}  {words}"
        if _TERMINAL:
            print("\r   " + line.ljust(self._width), end="", flush=True)
            self._width = max(self._width, len(line))
        elif time.monotonic() - self._shown >= _PLAIN_INTERVAL:
            self._shown = time.monotonic()
            say(line)

    def end(self) -> float:
        """Close the line; the seconds since the start."""
        if _TERMINAL and self._width:
            print(flush=True)
        return time.monotonic() - self._started


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def _is_number(cell: str) -> bool:
    return cell == "" or cell.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()
