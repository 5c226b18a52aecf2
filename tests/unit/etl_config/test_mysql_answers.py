"""A server that says it is MariaDB and whose catalog is none."""

from uuid import uuid4

import pytest

from services.etl.tables.definition import Location
from services.etl.tables.errors import TargetRefused
from services.etl.tables.physical import Place
from services.etl.tables.targets.mysql import MysqlTarget
from tests.contract.meta.targets import LOOPBACK, resource
from tests.unit.shared.engines.test_mysql import listening
from tests.unit.shared.engines.test_mysql_answers import READY, Host, answer, done


@pytest.mark.parametrize("columns", [2, 20])
async def test_a_catalog_of_another_shape_is_refused(columns: int) -> None:
    row = (b"a",) * columns
    place = Place(uuid4(), Location("shop", "goods"), ("goods",))
    seen = (done, answer((b"1",)), answer((b"1",)), answer(row, row, columns=columns))
    async with listening(Host(*READY, *seen)) as target:
        with pytest.raises(TargetRefused, match="something else than it was asked"):
            await MysqlTarget(resource(target), LOOPBACK).examine(place, lambda _: ())
