from shared import errors


class UserUnknown(errors.NotFound):
    """There is no such user."""


class UsernameTaken(errors.Conflict):
    """There is already a user {username}."""


class RoleNotGrantable(errors.Forbidden):
    """Your own roles don't allow to give the role {role}."""


class LastOwner(errors.Conflict):
    """The tenant would be left without an owner who can log in."""


class PasswordWrong(errors.Forbidden):
    """The current password is wrong."""


class PasswordWeak(errors.Invalid):
    """The password is too easy to guess: {reason}."""
