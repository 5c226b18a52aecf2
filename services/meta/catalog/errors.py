from shared.errors import NotFound


class CatalogDatabaseUnknown(NotFound):
    """There is no database {database_id} in the catalog."""


class CatalogTableUnknown(NotFound):
    """There is no table {table_id} in the catalog."""
