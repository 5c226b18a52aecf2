"""The keys that were met so far, exactly: no hash decides about a row.

Numbers, dates and times of one column are kept by eight bytes or, where they lie close together as the ids
of a table do, by one bit. Other keys are kept as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline.casting import decimal_text

PAGE_BITS: Final = 16
PAGE_BYTES: Final = (1 << PAGE_BITS) // 8
DENSE: Final = PAGE_BYTES // 16
"""From how many keys on a page of bits takes less than twice the room of the keys themselves."""

KEY_BYTES: Final = 100
"""What a key costs in a set beside its own bytes."""

BATCH_KEYS: Final = 1 << 16


class SeenKeys(ABC):
    """Keys of one source. `type` is what `key` gives, `size` about how many bytes they take."""

    type: ClassVar[Any]

    @property
    @abstractmethod
    def size(self) -> int: ...

    @abstractmethod
    def key(self, columns: Sequence[Any]) -> Any:
        """The columns of a key as one Arrow array, equal where all columns are. Two NULLs are equal."""

    @abstractmethod
    def fresh(self, key: Any) -> Any:
        """Remember keys. The NumPy mask of those that were not met before, the first of each alone."""

    @abstractmethod
    def taken(self) -> Iterator[Any]:
        """All keys as Arrow arrays, which are forgotten while they are taken."""


def seen_keys(types: Sequence[Any]) -> SeenKeys:
    """What remembers keys of columns of these Arrow types."""
    if len(types) == 1 and not _is_long(types[0]):
        return SeenNumbers()
    return SeenBytes()


def _is_long(kind: Any) -> bool:
    return bool(
        pa.types.is_decimal(kind)
        or pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_boolean(kind)
    )


class SeenBytes(SeenKeys):
    """Keys in a set, as bytes."""

    type = pa.binary()

    def __init__(self) -> None:
        self._seen: set[Any] = set()
        self._bytes = 0

    @property
    def size(self) -> int:
        return self._bytes + KEY_BYTES * len(self._seen)

    def key(self, columns: Sequence[Any]) -> Any:
        if len(columns) == 1 and (pa.types.is_string(columns[0].type) or pa.types.is_binary(columns[0].type)):
            return pc.cast(columns[0], pa.binary())
        return _combined(columns)

    def fresh(self, key: Any) -> Any:
        keys = key.to_pylist()
        places = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
        new = places.keys() - self._seen
        mask = np.zeros(len(keys), bool)
        mask[[places[one] for one in new]] = True
        self._seen |= new
        self._bytes += sum(map(len, filter(None, new)))
        return mask

    def taken(self) -> Iterator[Any]:
        while self._seen:
            keys = [self._seen.pop() for _ in range(min(BATCH_KEYS, len(self._seen)))]
            yield pa.array(keys, pa.binary())


class SeenNumbers(SeenKeys):
    """Keys as 64-bit numbers: sorted runs, and pages of one bit for each number where they lie close."""

    type = pa.int64()

    def __init__(self) -> None:
        self._pages: dict[int, Any] = {}
        self._runs: list[Any] = []
        self._null = False

    @property
    def size(self) -> int:
        runs: int = sum(run.nbytes for run in self._runs)
        return PAGE_BYTES * len(self._pages) + 2 * runs

    def key(self, columns: Sequence[Any]) -> Any:
        (column,) = columns
        if pa.types.is_floating(column.type):  # -0.0 is 0.0, though its bits differ
            return pc.add(pc.cast(column, pa.float64()), 0.0).view(pa.int64())
        if pa.types.is_date(column.type):
            column = column.view(pa.int32())
        return pc.cast(column, pa.int64()) if pa.types.is_integer(column.type) else column.view(pa.int64())

    def fresh(self, key: Any) -> Any:
        mask = np.zeros(len(key), bool)
        places = np.arange(len(key))
        if key.null_count:
            valid = pc.is_valid(key).to_numpy(zero_copy_only=False)
            if not self._null:
                mask[np.argmin(valid)] = self._null = True
            key, places = key.drop_null(), places[valid]
        numbers = key.to_numpy()
        if not (numbers[1:] > numbers[:-1]).all():
            numbers, first = np.unique(numbers, return_index=True)
            places = places[first]
        new = ~self._known(numbers)
        mask[places[new]] = True
        self._add(numbers[new])
        return mask

    def taken(self) -> Iterator[Any]:
        if self._null:
            self._null = False
            yield pa.array([None], pa.int64())
        while self._runs:
            run = self._runs.pop()
            for start in range(0, len(run), BATCH_KEYS):
                yield pa.array(run[start : start + BATCH_KEYS])
        while self._pages:
            number, page = self._pages.popitem()
            bits = np.flatnonzero(np.unpackbits(page, bitorder="little"))
            yield pa.array(bits + (number << PAGE_BITS))

    def _known(self, numbers: Any) -> Any:
        """Which of these ascending numbers were met before."""
        known = np.zeros(len(numbers), bool)
        for page, part in self._parts(numbers) if self._pages else ():
            bits = self._pages.get(page)
            if bits is not None:
                known[part] = _bits_of(bits, numbers[part])
        for run in self._runs:
            places = np.searchsorted(run, numbers)
            places[places == len(run)] = 0
            known |= run[places] == numbers
        return known

    def _add(self, numbers: Any) -> None:
        """Remember ascending numbers that are new. Runs of like length become one, as in a merge sort."""
        run = self._settled(numbers)
        while self._runs and 2 * len(run) >= len(self._runs[-1]):
            run = self._settled(np.sort(np.concatenate([self._runs.pop(), run]), kind="stable"))
        if len(run):
            self._runs.append(run)

    def _settled(self, numbers: Any) -> Any:
        """Put numbers into pages where they lie close together; gives the others."""
        others = np.ones(len(numbers), bool)
        for page, part in self._parts(numbers):
            _set_bits(self._pages.setdefault(page, np.zeros(PAGE_BYTES, np.uint8)), numbers[part])
            others[part] = False
        return numbers[others]

    def _parts(self, numbers: Any) -> Iterator[tuple[int, slice]]:
        """The pages of ascending numbers that are there or would be worth it, and where their numbers are."""
        if not len(numbers):
            return
        pages = numbers >> PAGE_BITS
        starts = np.flatnonzero(np.concatenate([[True], pages[1:] != pages[:-1]]))
        ends = np.append(starts[1:], len(pages))
        worth = ends - starts >= DENSE
        if self._pages:
            worth |= np.isin(pages[starts], np.fromiter(self._pages, np.int64, len(self._pages)))
        for start, end in zip(starts[worth].tolist(), ends[worth].tolist(), strict=True):
            yield int(pages[start]), slice(start, end)


def _bits_of(page: Any, numbers: Any) -> Any:
    local = numbers & ((1 << PAGE_BITS) - 1)
    return (page[local >> 3] >> (local & 7).astype(np.uint8)) & 1 == 1


def _set_bits(page: Any, numbers: Any) -> None:
    local = numbers & ((1 << PAGE_BITS) - 1)
    bits = np.left_shift(np.uint8(1), (local & 7).astype(np.uint8))
    np.bitwise_or.at(page, local >> 3, bits)


def _combined(columns: Sequence[Any]) -> Any:
    """One binary value for each row. Every part has its length before it (or N for NULL), so that no two keys
    run together.
    """
    parts = [_part(column) for column in columns]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()), null_handling="replace")


def _part(column: Any) -> Any:
    if pa.types.is_decimal(column.type):
        text = pc.cast(decimal_text(column), pa.binary())
    elif pa.types.is_binary(column.type):
        text = column
    elif pa.types.is_floating(column.type):  # as in SeenNumbers
        text = pc.cast(pc.cast(pc.add(column, pa.scalar(0.0, column.type)), pa.string()), pa.binary())
    else:
        text = pc.cast(pc.cast(column, pa.string()), pa.binary())
    length = pc.cast(pc.cast(pc.binary_length(text), pa.string()), pa.binary())
    part = pc.binary_join_element_wise(length, text, pa.scalar(b":", pa.binary()))
    return pc.fill_null(part, pa.scalar(b"N", pa.binary()))
