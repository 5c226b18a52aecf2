"""A server that says it is MariaDB and whose catalog is none."""

import pytest

from services.meta.scanners._base import Surroundings
from services.meta.scanners.mysql import MysqlScanner
from shared.engines.errors import ConnectRefused
from tests.contract.meta.targets import LOOPBACK, resource
from tests.unit.shared.engines.test_mysql import listening
from tests.unit.shared.engines.test_mysql_answers import READY, Host, answer, done


async def test_a_catalog_of_another_shape_ends_the_scan_with_a_reason() -> None:
    async with listening(Host(*READY, done, answer((b"a",) * 20, columns=20))) as target:
        scanner = MysqlScanner(resource(target), Surroundings(LOOPBACK))
        with pytest.raises(ConnectRefused, match="something else than it was asked"):
            await scanner.list_databases()
