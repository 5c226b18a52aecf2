from shared.errors import Conflict, Invalid, NotFound, Transient


class SyncLogUnknown(NotFound):
    """There is no sync log {sync_log_id}."""


class ScanActive(Conflict):
    """This datasource has a sync or scan that isn't finished: sync log {sync_log_id}."""


class NotScannable(Conflict):
    """There is no scanner for resources of the type {resource_type}."""


class DatasourceRemoved(Conflict):
    """The resource of this datasource was deleted: there is nothing to scan."""


class DatabaseUnknown(Invalid):
    """The datasource has no such database; a sync of level 1 lists them."""


class KeyReused(Conflict):
    """This Idempotency-Key was used for another request."""


class NotCancellable(Conflict):
    """The sync log is over: its status is {status}."""


class LeaseLost(Transient):
    """Another worker has taken over this sync log, or it was ended."""
