from shared import errors


class MasterKeysUnusable(errors.Terminal):
    """The master keys can't be read: {reason}. Each is written `id:key`, the key being 32 bytes in base64."""


class MasterKeysMissing(errors.Terminal):
    """The file of master keys {path} is missing, while the database was encrypted with the keys {known}:
    restore the file from a backup.
    """


class MasterKeyWrong(errors.Terminal):
    """The master keys are not those that this database was encrypted with: {reason}. Give the service the
    file of master keys that belongs to its database; a new key would leave every stored secret unreadable.
    """


class SecretUnreadable(errors.Conflict):
    """A stored secret can't be decrypted with the keys this service has; enter it again."""
