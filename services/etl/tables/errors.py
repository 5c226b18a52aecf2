from shared.errors import Conflict, Invalid, NotFound, Transient


class CategoryUnknown(NotFound):
    """There is no table category {category_id}."""


class CategoryTaken(Conflict):
    """There is another table category named {name}."""


class CategoryNotFound(Invalid):
    """There is no table category {category_id}."""


class DataTableUnknown(NotFound):
    """There is no data table {table_id}."""


class RevisionUnknown(NotFound):
    """This data table has no revision {revision}: there never was one, or it was never published and is
    forgotten by now.
    """


class LocationTaken(Conflict):
    """Another data table is configured for {location} in this resource."""


class ResourceNotFound(Invalid):
    """There is no resource {resource_id}."""


class ResourceGone(Conflict):
    """The resource isn't there any more."""


class ResourceUnsuitable(Invalid):
    """A resource of type {resource_type} can't hold data tables; choose one of {known}."""


class ResourceChangedType(Conflict):
    """The resource is of type {found} now, where it has to be {expected}."""


class DefinitionInvalid(Invalid):
    """The definition of the table can't be carried out as it was written."""


class PublishedTableFixed(Conflict):
    """A published table stays in its resource and its schema. Make another data table there instead."""


class PlanOutdated(Conflict):
    """The plan isn't current any more: the definition or the target has changed. Make a new plan."""


class TableOccupied(Conflict):
    """The target has a {kind} named {location} that this data table didn't make. Choose another name, or
    give that one there another name.
    """


class NameTaken(Conflict):
    """The target has other tables or indexes with names that keys or indexes of this table are to have.
    Choose other names.
    """


class TableDrifted(Conflict):
    """The table in the target isn't as it was published: {differences}. Repair it: make it as it is
    configured, adopt it as it is, or make this data table a draft again.
    """


class SchemaMissing(Conflict):
    """The target has no schema {schema_name}. Create it there, or choose another schema."""


class TargetRefused(Conflict):
    """The target refused the change: {reason}. Nothing was changed."""


class TargetHalfway(Conflict):
    """The target refused a part of the change: {reason}. What came before it is done and stays, because this
    kind of database commits each step. Make a new plan to do the rest.
    """


class TargetBusy(Transient):
    """The target is locked by somebody else, such as a run that writes. Nothing was changed; try later."""


class TargetLost(Transient):
    """The connection to the target was lost. Make a new plan to see how far the change came."""


class NotOurTable(Conflict):
    """The table {location} in the target wasn't made by this data table, so it is not dropped."""


class DataTableInUse(Conflict):
    """This data table is still used: {users}."""


class ChecksFailed(Conflict):
    """Rows in the table stand against the change. Nothing was changed."""


class TargetUnfaithful(Conflict):
    """The target made something else of the statements than was wanted: {differences}. Write types as its own
    catalog spells them.
    """
