"""Which resources an operator means: they are named as people call them, over all tenants."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.contracts.connection import ResourceSummary
from shared.errors import NotFound


class NoSuchTenant(NotFound):
    """No tenant {tenant} has resources."""


class NoSuchResource(NotFound):
    """There is no resource {resource}."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The resources of a tenant, those of a name, or all; None leaves it open."""

    tenant: str | None = None
    resource: str | None = None

    def among(self, resources: Iterable[ResourceSummary]) -> list[ResourceSummary]:
        """The chosen ones of these, by tenant and name. Raises NoSuchTenant, NoSuchResource."""
        of_tenant = [each for each in resources if self.tenant in {None, each.tenant_slug}]
        if self.tenant is not None and not of_tenant:
            raise NoSuchTenant(tenant=self.tenant)
        found = [each for each in of_tenant if self.resource in {None, each.name}]
        if self.resource is not None and not found:
            raise NoSuchResource(resource=self.resource)
        return sorted(found, key=lambda each: (each.tenant_slug or "", each.name))
