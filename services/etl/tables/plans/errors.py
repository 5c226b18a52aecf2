from shared.errors import Conflict, Invalid


class TableIsDraft(Conflict):
    """This data table isn't published yet; publish it first."""


class ConfirmationNeeded(Invalid):
    """This destroys data: give the table's name {name} as `confirm`."""


class PlanImpossible(Conflict):
    """The target can't be made what is configured; change the configuration at the places that are named."""
