from shared import errors


class ResourceUnknown(errors.NotFound):
    """There is no such resource."""


class ResourceNameTaken(errors.Conflict):
    """The tenant already has a resource named {name}."""


class ResourceTypeUnknown(errors.NotFound):
    """There is no resource type {name}."""


class ResourceTypeFixed(errors.Invalid):
    """A resource keeps its type: this one is {current}. Create another resource for {given}."""


class ConnectionInvalid(errors.Invalid):
    """The connection isn't complete or not of the form its type asks for."""


class SecretNeeded(errors.Invalid):
    """The change of {changed} sends the stored {secret} somewhere else: give the {secret} again, or null."""


class TextUnusable(errors.Invalid):
    """The text holds control characters, which no server accepts here."""
