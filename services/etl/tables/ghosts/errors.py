from shared.errors import Conflict, NotFound


class RepairImpossible(Conflict):
    """This data table can't be repaired that way: {reason}."""


class OrphanUnknown(NotFound):
    """The resource has no table {location} with a mark of ours that belongs to no data table."""
