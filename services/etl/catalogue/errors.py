from shared.errors import NotFound


class HandlerUnknown(NotFound):
    """There is no step {name}."""
