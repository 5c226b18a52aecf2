from shared import errors


class TenantUnknown(errors.NotFound):
    """There is no such tenant."""


class TenantSlugTaken(errors.Conflict):
    """There is already a tenant {slug}."""
