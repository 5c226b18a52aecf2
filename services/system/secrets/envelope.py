"""Sealed fields: a secret under its tenant's data key, bound to the row and field it belongs to.

The stored text is `v1.<data key id>.<nonce>.<ciphertext>`. The binding (tenant, resource, field, data key)
is authenticated with it, so that a text copied to another row, field or tenant does not open.
"""

import os
from dataclasses import dataclass, field
from uuid import UUID

from . import keyring
from .errors import SecretUnreadable

FORMAT = "v1"


@dataclass(frozen=True)
class Place:
    """Where a sealed text belongs."""

    tenant_id: UUID
    resource_id: UUID
    field: str


@dataclass(frozen=True)
class DataKey:
    """A tenant's key, unwrapped, in memory only."""

    id: UUID
    key: bytes = field(repr=False)


def new_data_key(key_id: UUID) -> DataKey:
    return DataKey(key_id, os.urandom(keyring.KEY_BYTES))


def seal(data_key: DataKey, plain: str, place: Place) -> str:
    """The text to store for a secret of this place."""
    sealed = keyring.encrypt(data_key.key, plain.encode(), bound_to=_binding(place, data_key.id))
    return f"{FORMAT}.{data_key.id.hex}.{sealed}"


def data_key_id(sealed: str) -> UUID:
    """The id of the data key a text was sealed with; raises SecretUnreadable."""
    version, _, rest = sealed.partition(".")
    if version != FORMAT:
        raise SecretUnreadable
    try:
        return UUID(hex=rest.partition(".")[0])
    except ValueError:
        raise SecretUnreadable from None


def unseal(data_key: DataKey, sealed: str, place: Place) -> str:
    """The secret; raises SecretUnreadable when the text was not sealed for this place by this key."""
    if data_key_id(sealed) != data_key.id:
        raise SecretUnreadable
    text = sealed.removeprefix(f"{FORMAT}.").partition(".")[2]
    try:
        return keyring.decrypt(data_key.key, text, bound_to=_binding(place, data_key.id)).decode()
    except UnicodeDecodeError:
        raise SecretUnreadable from None


def wrapping(tenant_id: UUID, key_id: UUID) -> str:
    """What a wrapped data key is bound to."""
    return f"penstock|data key|{tenant_id}|{key_id}"


def _binding(place: Place, key_id: UUID) -> str:
    return f"penstock|{place.tenant_id}|{place.resource_id}|{place.field}|{key_id}"
