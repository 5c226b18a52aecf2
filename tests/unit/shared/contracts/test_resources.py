"""Resources that an operator names as people call them."""

import pytest

from shared.contracts.connection import ResourceSummary
from shared.contracts.resources import Chosen, NoSuchResource, NoSuchTenant
from shared.identifiers import ResourceId, TenantId, uuid7


def summary(tenant: str, name: str) -> ResourceSummary:
    return ResourceSummary(
        resource_id=ResourceId(uuid7()),
        tenant_id=TenantId(uuid7()),
        resource_type="sqlite",
        name=name,
        version=1,
        tenant_slug=tenant,
    )


RESOURCES = [summary("two", "b"), summary("one", "b"), summary("two", "a")]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (Chosen(), ["one/b", "two/a", "two/b"]),
        (Chosen(tenant="two"), ["two/a", "two/b"]),
        (Chosen(resource="b"), ["one/b", "two/b"]),
        (Chosen("two", "b"), ["two/b"]),
    ],
)
def test_names_narrow_and_the_rest_is_in_order(chosen: Chosen, found: list[str]) -> None:
    among = chosen.among(RESOURCES)
    assert [f"{each.tenant_slug}/{each.name}" for each in among] == found


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        (Chosen(tenant="three"), NoSuchTenant),
        (Chosen(resource="c"), NoSuchResource),
        (Chosen("one", "a"), NoSuchResource),
    ],
)
def test_a_name_that_nothing_has_is_an_error(chosen: Chosen, error: type[Exception]) -> None:
    with pytest.raises(error):
        chosen.among(RESOURCES)
