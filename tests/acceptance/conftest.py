"""One embedded process for the tests that don't need their own."""

from collections.abc import Iterator

import pytest

from tests.acceptance import process
from tests.acceptance.process import Penstock
from tests.acceptance.workshop import Workshop, another_tenant, owner


@pytest.fixture(scope="session")
def penstock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Penstock]:
    """A running Penstock, shared: tests use names of their own in it."""
    with process.running(tmp_path_factory.mktemp("penstock") / "var") as running:
        yield running


@pytest.fixture(scope="session")
def tenant_one(penstock: Penstock) -> Workshop:
    return Workshop(owner(penstock))


@pytest.fixture(scope="session")
def tenant_two(penstock: Penstock) -> Workshop:
    return Workshop(another_tenant(penstock, "two"))
