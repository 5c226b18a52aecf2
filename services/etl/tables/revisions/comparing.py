"""Two revisions of a data table, compared for people and for programs. Pure."""

from collections.abc import Iterator
from typing import Literal

from services.etl.tables.difference import ColumnPair, Key, difference
from services.etl.tables.models import DataTableRevision

from .schemas import ChangedColumn, ChangedText, ComparisonView, KeyView, RenamedKey


def compared(before: DataTableRevision, after: DataTableRevision) -> ComparisonView:
    """What leads from the one to the other."""
    found = difference(before.wanted, after.wanted, names=(before.physical_name, after.physical_name))
    return ComparisonView(
        before=before.revision,
        after=after.revision,
        same=found.empty,
        sentences=found.sentences(),
        added=list(found.added),
        dropped=list(found.dropped),
        changed=[_column(pair) for pair in found.changed],
        keys_added=[_key(key) for key in found.keys_added],
        keys_dropped=[_key(key) for key in found.keys_dropped],
        keys_renamed=[RenamedKey(before=_key(one), after=_key(other)) for one, other in found.keys_renamed],
        comment=_text(found.comment),
        physical_name=_text(found.renamed),
    )


def _column(pair: ColumnPair) -> ChangedColumn:
    return ChangedColumn(before=pair.before, after=pair.after, changes=list(_changes(pair)))


def _changes(pair: ColumnPair) -> Iterator[Literal["name", "type", "nullable", "default", "comment"]]:
    if pair.renamed:
        yield "name"
    if pair.retyped:
        yield "type"
    if pair.renulled:
        yield "nullable"
    if pair.redefaulted:
        yield "default"
    if pair.recommented:
        yield "comment"


def _key(key: Key) -> KeyView:
    return KeyView(kind=key.kind, name=key.name, columns=list(key.columns))


def _text(pair: tuple[str, str] | None) -> ChangedText | None:
    return ChangedText(before=pair[0], after=pair[1]) if pair else None
