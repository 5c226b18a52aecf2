"""From what is wanted and what is there to the statements that lead from one to the other. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from services.etl.tables.definition import MAX_COLUMNS, ColumnDefinition, Location, TableDefinition, digest
from services.etl.tables.dialects import Check, Dialect, Statement, TableChange, Work
from services.etl.tables.difference import Difference, Key, difference, keys_of, remade
from services.etl.tables.errors import NameTaken, TableOccupied, TargetUnfaithful
from services.etl.tables.physical import Sight
from services.etl.tables.reading import physically_same, read
from shared.errors import Fault

from .standing import Standing, known_revision, stand
from .wanted import Wanted

Kind = Literal["create", "adopt", "change", "resume", "none"]
"""create: there is no table; adopt: an interrupted publish has made it already; resume: one was cut off on
its way; none: nothing to do.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Statements in order, and a hash over them, the definition and all that was seen of the target."""

    kind: Kind
    statements: tuple[Statement, ...]
    hash: str
    checks: tuple[Check, ...] = ()
    faults: tuple[Fault, ...] = ()
    verify: Callable[[Sight], None] = lambda _: None

    @property
    def destructive(self) -> bool:
        """Whether data goes."""
        return any(statement.risk == "destroys" for statement in self.statements)


def make_plan(
    wanted: Wanted, sight: Sight, dialect: Dialect, *, concurrently: bool = False, over_drift: bool = False
) -> Plan:
    """The plan that makes the target what is wanted. With `over_drift`, whatever has become of the table.

    Raises TableOccupied, NameTaken, and TableDrifted unless the drift is to be undone.
    """
    stands = stand(wanted, sight, dialect, over_drift=over_drift)
    if not wanted.definition.columns:
        fault = Fault(("columns",), "columns_count", f"a table has 1 to {MAX_COLUMNS} columns")
        return _planned(wanted, sight, dialect, Work(faults=(fault,)), kind="change" if stands else "create")
    if stands is None:
        return _creation(wanted, sight, dialect)
    if sight.taken is not None:
        raise TableOccupied(kind=sight.taken, location=str(wanted.location))
    change = _change(wanted, sight, dialect, stands)
    work = dialect.alter(replace(change, concurrently=concurrently))
    _require_free_names(_new_keys(change.difference), wanted.definition, sight.names)
    kind: Kind = "resume" if stands.halfway else "change"
    if not work.statements and not work.faults:
        behind = wanted.published is None or wanted.published.number != stands.revision.number
        kind = "adopt" if behind else "none"
    faults = (*work.faults, *_unmakeable(change.difference.added, wanted.definition))
    return _planned(wanted, sight, dialect, replace(work, faults=faults), kind=kind)


def _creation(wanted: Wanted, sight: Sight, dialect: Dialect) -> Plan:
    definition = wanted.definition
    faults = tuple(_unmakeable(definition.columns, definition))
    _require_free_names(keys_of(definition), definition, sight.names)
    statements = () if faults else tuple(dialect.create(wanted.location, definition))
    return _planned(wanted, sight, dialect, Work(statements, faults=faults), kind="create")


def _change(wanted: Wanted, sight: Sight, dialect: Dialect, stands: Standing) -> TableChange:
    assert sight.physical is not None
    begun = known_revision(wanted, sight.begun)
    known = [stands.revision.definition]
    if begun is not None:
        known.insert(0 if sight.begun is not None and sight.begun.settled else 1, begun.definition)
    before = read(sight.physical, dialect, like=wanted.definition, known=known)
    name = sight.name or wanted.location.name
    all_of_it = difference(
        before,
        wanted.definition,
        same_type=partial(physically_same, sight.physical, dialect, after=wanted.definition),
        names=(name, wanted.location.name),
    )
    possible = remade(
        all_of_it, before, wanted.definition, lambda pair: dialect.castable(pair.before, pair.after)
    )
    return TableChange(
        found=Location(wanted.location.schema, name),
        wanted=wanted.location,
        physical=sight.physical,
        before=before,
        after=wanted.definition,
        difference=possible,
        size=sight.size,
        server=sight.server,
    )


def _planned(wanted: Wanted, sight: Sight, dialect: Dialect, work: Work, *, kind: Kind) -> Plan:
    facts = {
        "table": str(wanted.table_id),
        "revision": wanted.revision,
        "fingerprint": wanted.definition.fingerprint(),
        "location": [wanted.location.schema, wanted.location.name],
        "statements": [statement.sql for statement in work.statements],
        "checks": [check.count for check in work.checks],
        "sight": sight.to_json(),
    }
    return Plan(
        kind,
        work.statements,
        digest(facts),
        checks=work.checks,
        faults=work.faults,
        verify=partial(_verify, wanted, dialect),
    )


def _verify(wanted: Wanted, dialect: Dialect, sight: Sight) -> None:
    """Raise TargetUnfaithful unless the target is what is wanted by now."""
    definition, physical = wanted.definition, sight.physical
    if physical is None or physical.kind != "table" or sight.name != wanted.location.name:
        raise TargetUnfaithful(differences="there is no table of that name")
    after = read(physical, dialect, like=definition)
    left = difference(
        definition,
        after,
        same_type=lambda one, other: physically_same(physical, dialect, other, one, after=definition),
    )
    if not left.empty:
        raise TargetUnfaithful(differences="; ".join(left.sentences()))


def _unmakeable(columns: Sequence[ColumnDefinition], definition: TableDefinition) -> Iterator[Fault]:
    for column in columns:
        if column.default is not None and column.default.kept is not None:
            reason = "what fills this column was found in the target and can't be made anew; choose a default"
            yield Fault(("columns", definition.columns.index(column), "default"), "default_kept", reason)


def _new_keys(change: Difference) -> list[Key]:
    return [*change.keys_added, *(after for _, after in change.keys_renamed)]


def _require_free_names(new: Sequence[Key], definition: TableDefinition, names: frozenset[str]) -> None:
    wanted = {key.name for key in new}
    faults = [
        Fault((kind, place, "name"), NameTaken.code(), f"the target has something named {key.name} already")
        for kind, keys in (("unique_keys", definition.unique_keys), ("indexes", definition.indexes))
        for place, key in enumerate(keys)
        if key.name in wanted and key.name.lower() in names
    ]
    if faults:
        raise NameTaken(faults=faults)
