import pytest

from services.etl.tables.definition import Location
from services.etl.tables.dialects import DIALECTS, Dialect
from services.etl.tables.targets.base import Target
from services.etl.tables.targets.sqlite import SqliteTarget

from .target_contract import TransactionalContract


class TestSqliteTarget(TransactionalContract):
    @pytest.fixture
    def target(self, sqlite: SqliteTarget) -> Target:
        return sqlite

    @pytest.fixture
    def dialect(self) -> Dialect:
        return DIALECTS["sqlite"]

    @pytest.fixture
    def location(self) -> Location:
        return Location(None, "All Types")
