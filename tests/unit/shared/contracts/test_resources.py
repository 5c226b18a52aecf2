"""Resources that an operator names as people call them."""

from collections.abc import AsyncIterator

import pytest

from shared.contracts.connection import ResourceSummary
from shared.contracts.resources import Chosen, NoSuchResource, NoSuchTenant
from shared.identifiers import ResourceId, TenantId, uuid7


def summary(tenant: str, name: str, *, deleted: bool = False) -> ResourceSummary:
    return ResourceSummary(
        resource_id=ResourceId(uuid7()),
        tenant_id=TenantId(uuid7()),
        resource_type="sqlite",
        name=name,
        version=1,
        deleted=deleted,
        tenant_slug=tenant,
    )


async def resources() -> AsyncIterator[ResourceSummary]:
    for tenant, name in (("two", "b"), ("one", "b"), ("two", "a")):
        yield summary(tenant, name)
    yield summary("two", "gone", deleted=True)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (Chosen(), ["one/b", "two/a", "two/b"]),
        (Chosen(tenant="two"), ["two/a", "two/b"]),
        (Chosen(resource="b"), ["one/b", "two/b"]),
        (Chosen("two", "b"), ["two/b"]),
    ],
)
async def test_names_narrow_and_the_rest_is_in_order(chosen: Chosen, found: list[str]) -> None:
    among = await chosen.among(resources())
    assert [f"{each.tenant_slug}/{each.name}" for each in among] == found


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        (Chosen(tenant="three"), NoSuchTenant),
        (Chosen(resource="c"), NoSuchResource),
        (Chosen("one", "a"), NoSuchResource),
        (Chosen("two", "gone"), NoSuchResource),
    ],
)
async def test_a_name_that_nothing_has_is_an_error(chosen: Chosen, error: type[Exception]) -> None:
    with pytest.raises(error):
        await chosen.among(resources())
