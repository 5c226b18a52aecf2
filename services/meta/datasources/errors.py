from shared.errors import NotFound


class DatasourceUnknown(NotFound):
    """There is no datasource {datasource_id}."""
