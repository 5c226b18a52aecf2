from typing import Any, cast
from uuid import UUID

import pytest

from services.etl.clients import ResourceUnknown, SystemClient
from shared.contracts.identity import TenantScope
from shared.errors import Unavailable
from shared.http.client import RemoteRefusal, ServiceClient
from shared.identifiers import ResourceId, TenantId

SCOPE = TenantScope(TenantId(UUID(int=1)))
RESOURCE = ResourceId(UUID(int=2))


class Refusing:
    def __init__(self, status: int) -> None:
        self.status = status

    async def call(self, *_: Any, **__: Any) -> Any:
        raise RemoteRefusal(status=self.status, remote_code="x", detail="y")


@pytest.mark.parametrize(("status", "kind"), [(404, ResourceUnknown), (401, Unavailable), (403, Unavailable)])
async def test_a_refusal_of_system_is_a_missing_resource_or_trouble_of_ours(
    status: int, kind: type[Exception]
) -> None:
    system = SystemClient(cast("ServiceClient", Refusing(status)))

    with pytest.raises(kind):
        await system.connection(SCOPE, RESOURCE, purpose="run", subject=None)
