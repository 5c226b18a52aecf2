"""The keys of an installation: from settings, else from files that the first start makes."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from services.system.secrets import keyring
from services.system.settings import SystemSettings
from shared.config.secrets import read_or_create
from shared.errors import Terminal
from shared.observe import redaction
from shared.security.keys import SigningKey

CLIENTS: Final = ("meta", "etl")
"""The services that get tokens of their own."""


class SigningKeyUnusable(Terminal):
    """The signing key can't be read: it has to be an Ed25519 key in an unencrypted PKCS #8 PEM file."""


class SecretsUnusable(Terminal):
    """The folder of secrets {folder} can't be used: {reason}."""


def master_keys_missing(settings: SystemSettings) -> bool:
    """Whether `master_keys` would have to make them."""
    return settings.master_keys is None and not settings.master_keys_file.exists()


def master_keys(settings: SystemSettings) -> keyring.KeyRing:
    """The ring of master keys; raises MasterKeysUnusable, SecretsUnusable."""
    return keyring.parse(
        _text(settings, settings.master_keys, settings.master_keys_file.name, keyring.generate)
    )


def signing_key(settings: SystemSettings) -> SigningKey:
    """The key that signs access tokens; raises SigningKeyUnusable, SecretsUnusable."""
    pem = _text(settings, settings.signing_key, "signing-key.pem", lambda: SigningKey.generate().to_pem())
    try:
        return SigningKey.from_pem(pem)
    except (ValueError, TypeError):
        raise SigningKeyUnusable from None


def client_secret(settings: SystemSettings, name: str) -> str:
    """The secret of a service client, else the one in the file `client-<name>`; raises SecretsUnusable."""
    given = settings.given_client_secret(name)
    return _text(settings, given, f"client-{name}", lambda: secrets.token_urlsafe(32))


def _text(settings: SystemSettings, given: SecretStr | None, name: str, make: Callable[[], str]) -> str:
    if given is not None:
        redaction.redact(given.get_secret_value())
        return given.get_secret_value()
    return _from_file(settings.secrets_folder / name, make)


def _from_file(path: Path, make: Callable[[], str]) -> str:
    try:
        text = read_or_create(path, make)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "a file holds no text"
        raise SecretsUnusable(folder=path.parent, reason=reason) from None
    redaction.redact(text)
    return text
