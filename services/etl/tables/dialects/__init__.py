"""The databases that can hold data tables, by the type of their resource."""

from collections.abc import Mapping
from typing import Final

from .base import OWN_PREFIX, Capabilities, Dialect, key_name, passing_id, passing_name
from .mysql import Mysql
from .postgresql import Postgresql
from .sqlite import Sqlite
from .work import Check, Effort, Finding, Lock, Risk, Sql, Statement, TableChange, Work, noting

DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect for dialect in (Postgresql(), Mysql(), Sqlite())
}

__all__ = [
    "DIALECTS",
    "OWN_PREFIX",
    "Capabilities",
    "Check",
    "Dialect",
    "Effort",
    "Finding",
    "Lock",
    "Risk",
    "Sql",
    "Statement",
    "TableChange",
    "Work",
    "key_name",
    "noting",
    "passing_id",
    "passing_name",
]
