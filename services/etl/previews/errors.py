from shared.errors import Forbidden


class ResourceNotShown(Forbidden):
    """Rows of a resource are only shown to those who may make a task that reads it (scope task:write)."""
