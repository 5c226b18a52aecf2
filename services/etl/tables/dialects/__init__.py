"""The databases that can hold data tables, by the type of their resource."""

from collections.abc import Mapping
from typing import Final

from .base import Capabilities, Dialect, Risk, Sql, Statement, key_name
from .mysql import Mysql
from .postgresql import Postgresql
from .sqlite import Sqlite

DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect for dialect in (Postgresql(), Mysql(), Sqlite())
}

__all__ = ["DIALECTS", "Capabilities", "Dialect", "Risk", "Sql", "Statement", "key_name"]
