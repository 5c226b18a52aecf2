"""The rows that loads are measured with, made in columns so that making them takes no part of the day.

Twelve columns of many kinds: large numbers, leading zeros, exact decimals, times in four zones, Unicode,
quotes, newlines, commas, NULLs. The same number and seed give the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline import column_bytes

TYPES: Final[Mapping[str, str]] = {
    "id": "int64",
    "ref": "int64",
    "sku": "text",
    "price": "decimal(14,2)",
    "qty": "int32",
    "rate": "decimal(6,4)",
    "created": "timestamptz",
    "updated": "timestamptz",
    "active": "boolean",
    "category": "text",
    "email": "text",
    "note": "text",
}
_CHUNK: Final = 500_000
_ZONES: Final = (("Z", 0), ("+02:00", 2), ("-05:00", -5), ("+05:30", 5.5))
_CATEGORIES: Final = ("tools, hand", "\u5de5\u5177", "misc", "caf\u00e9 & bar")
_NOTES: Final = (
    "plain note",
    'with "quotes"',
    "line\nbreak",
    "comma, here",
    "\u00fcn\u00efcode \u2603",
    None,
)
_BAD: Final = ("12,5", "oops", "2024-13-45T00:00:00Z")
_EPOCH: Final = 1_262_304_000


@dataclass(frozen=True)
class Goods:
    """Rows `first` up to but not including `first + count`; every `bad_every`th one has a cell that isn't
    of its column's type.
    """

    count: int
    first: int = 0
    bad_every: int | None = None
    seed: int = 7

    @property
    def bad(self) -> int:
        """How many rows are bad."""
        return len(range(self.first, self.first + self.count, self.bad_every)) if self.bad_every else 0

    def to_csv(self, path: Path) -> None:
        """As a file of comma-separated values with a header."""
        with path.open("wb") as file:
            file.write((",".join(TYPES) + "\n").encode())
            for cells in self._chunks(utc=False):
                quoted = [pc.fill_null(_quoted(cell), "") for cell in cells]
                file.write(_lines(quoted, ","))

    def to_tsv(self, path: Path) -> None:
        """As the prepared text that LOAD DATA reads without options but its columns; times in UTC."""
        with path.open("wb") as file:
            for cells in self._chunks(utc=True):
                file.write(_lines([pc.fill_null(_escaped(cell), "\\N") for cell in cells], "\t"))

    def _chunks(self, *, utc: bool) -> Iterator[Sequence[Any]]:
        for start in range(self.first, self.first + self.count, _CHUNK):
            yield self._cells(start, min(_CHUNK, self.first + self.count - start), utc=utc)

    def _cells(self, start: int, count: int, *, utc: bool) -> Sequence[Any]:
        chance = np.random.default_rng([self.seed, start])
        ids = np.arange(start, start + count)
        number = _text(ids)
        price = _decimals(chance.integers(0, 10**11, count), 2)
        qty = _text(chance.integers(0, 1000, count))
        created = _moments(chance, count, utc=utc)
        if self.bad_every:
            bad = ids % self.bad_every == 0
            kind = (ids // self.bad_every) % 3
            price = pc.if_else(pa.array(bad & (kind == 0)), f'"{_BAD[0]}"', price)
            qty = pc.if_else(pa.array(bad & (kind == 1)), _BAD[1], qty)
            created = pc.if_else(pa.array(bad & (kind == 2)), _BAD[2], created)
        return [
            number,
            _text(chance.integers(0, 2**62, count)),
            pc.binary_join_element_wise("0", _text(chance.integers(1000, 9999, count)), ""),
            price,
            qty,
            _sometimes(chance, _decimals(chance.integers(0, 10**4, count), 4), 0.15),
            created,
            _sometimes(chance, _moments(chance, count, utc=utc), 0.30),
            pa.array(["0", "1"] if utc else ["false", "true"]).take(pa.array(chance.integers(0, 2, count))),
            pa.array(_CATEGORIES).take(pa.array(chance.integers(0, len(_CATEGORIES), count))),
            pc.binary_join_element_wise("user", number, "@example.com", ""),
            pa.array(_NOTES).take(pa.array(chance.integers(0, len(_NOTES), count))),
        ]  # fmt: skip


def _text(numbers: Any) -> Any:
    return pc.cast(pa.array(numbers), pa.string())


def _decimals(units: Any, scale: int) -> Any:
    whole = _text(units // 10**scale)
    rest = pc.utf8_lpad(_text(units % 10**scale), scale, "0")
    return pc.binary_join_element_wise(whole, rest, ".")


def _moments(chance: np.random.Generator, count: int, *, utc: bool) -> Any:
    """Times with offsets, to the second; as the same moments in UTC for LOAD DATA."""
    seconds = _EPOCH + chance.integers(0, 15 * 365 * 86400, count)
    zones = chance.integers(0, len(_ZONES), count)
    if utc:
        return pc.strftime(pa.array(seconds.astype("datetime64[s]")), "%Y-%m-%d %H:%M:%S")
    shifts = np.array([int(hours * 3600) for _, hours in _ZONES])[zones]
    local = pc.strftime(pa.array((seconds + shifts).astype("datetime64[s]")), "%Y-%m-%dT%H:%M:%S")
    offset = pa.array([name for name, _ in _ZONES]).take(pa.array(zones))
    return pc.binary_join_element_wise(local, offset, "")


def _sometimes(chance: np.random.Generator, cells: Any, share: float) -> Any:
    return pc.if_else(pa.array(chance.random(len(cells)) < share), pa.scalar(None, pa.string()), cells)


def _quoted(cells: Any) -> Any:
    """With quotes around the cells that need them."""
    special = pc.and_(pc.match_substring_regex(cells, '[",\n]'), pc.invert(pc.starts_with(cells, '"')))
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), cells)


def _escaped(cells: Any) -> Any:
    for sign, spelled in (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t")):
        cells = pc.replace_substring(cells, sign, spelled)
    return cells


def _lines(cells: Sequence[Any], sign: str) -> bytes:
    rows = pc.binary_join_element_wise(pc.binary_join_element_wise(*cells, sign), "\n", "")
    return column_bytes.content(rows).tobytes()
