from shared.errors import Invalid


class CatalogTableNotFound(Invalid):
    """There is no table {table_id} in the catalog."""


class DataTableNotFound(Invalid):
    """There is no data table {table_id}."""
