"""The keys and indexes of a table of MySQL or MariaDB that is changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.etl.tables.difference import Key

from ._mysql_algorithms import Algorithm, Part, Rules
from .work import TableChange

if TYPE_CHECKING:
    from .mysql import Mysql


@dataclass(frozen=True, slots=True)
class Keys:
    """The clauses for the keys of one change; `anew` are columns, by their old names, that are replaced.

    With a column that is dropped, a server drops it from its keys, too: so those over replaced ones are made
    anew, also those that nobody but the table knows.
    """

    dialect: "Mysql"
    change: TableChange
    rules: Rules
    anew: frozenset[str]

    def parts(self) -> Iterator[Part]:
        """DROP, RENAME and ADD, in this order."""
        remade = list(self._remade())
        lost = [*self.change.difference.keys_dropped, *(before for before, _ in remade)]
        new = [*self.change.difference.keys_added, *(after for _, after in remade)]
        clustered = self._clustered()
        has_primary = any(key.kind == "primary" for key in new)
        for key in lost:
            if key.kind == "primary":
                yield Part("DROP PRIMARY KEY", Algorithm.REBUILD if has_primary else Algorithm.COPY)
            else:
                algorithm = Algorithm.COPY if key == clustered else Algorithm.NOCOPY
                yield Part(f"DROP KEY {self.dialect.quote(key.name)}", algorithm)
        yield from self._renamed({before.name for before, _ in remade})
        for key in new:
            yield self._added(key, first=clustered is None or clustered in lost)

    def _renamed(self, remade: set[str]) -> Iterator[Part]:
        quote = self.dialect.quote
        for before, after in self.change.difference.keys_renamed:
            if before.kind != "primary" and before.name not in remade:
                sql = f"RENAME KEY {quote(before.name)} TO {quote(after.name)}"
                yield Part(sql, self.rules.rename_key)

    def _clustered(self) -> Key | None:
        """The key that InnoDB keeps the rows by: the primary one, or the first without NULLs (MySQL manual,
        section 17.6.2.1).
        """
        nullable = {column.name for column in self.change.physical.columns if column.nullable}
        for key in self._physical():
            if key.kind == "primary" or (key.kind == "unique" and not nullable & set(key.columns)):
                return key
        return None

    def _added(self, key: Key, *, first: bool) -> Part:
        columns = self.dialect.listed(key.columns)
        if key.kind == "primary":
            return Part(f"ADD PRIMARY KEY ({columns})", Algorithm.REBUILD, "index")
        kind = "UNIQUE KEY" if key.kind == "unique" else "KEY"
        sql = f"ADD {kind} {self.dialect.quote(key.name)} ({columns})"
        nullable = {column.name for column in self.change.after.columns if column.nullable}
        clusters = first and key.kind == "unique" and not nullable & set(key.columns)
        return Part(sql, Algorithm.REBUILD if clusters else Algorithm.NOCOPY, "index")

    def _remade(self) -> Iterator[tuple[Key, Key]]:
        known = {before.name: after.name for before, after in self.change.difference.keys_renamed}
        gone = {(key.kind, key.name) for key in self.change.difference.keys_dropped}
        names = self._names()
        for key in self._physical():
            stays = (key.kind, key.name) not in gone and all(name in names for name in key.columns)
            if stays and self.anew & set(key.columns):
                columns = tuple(names[name] for name in key.columns)
                yield key, Key(key.kind, known.get(key.name, key.name), columns)

    def _physical(self) -> Iterator[Key]:
        physical = self.change.physical
        if physical.primary_key:
            yield Key("primary", "", physical.primary_key)
        for index in physical.indexes:
            yield Key("unique" if index.unique else "index", index.name, index.columns)

    def _names(self) -> Mapping[str, str]:
        return {pair.before.name: pair.after.name for pair in self.change.difference.kept}
