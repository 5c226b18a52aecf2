"""The vault: seals and opens tenants' secrets with the keys of the ring."""

from collections import OrderedDict
from uuid import UUID

from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession, WriteSession
from shared.identifiers import TenantId, uuid7
from shared.observe import logs

from . import envelope
from .envelope import DataKey, Place
from .errors import MasterKeyWrong, SecretUnreadable
from .keyring import KeyRing
from .models import TenantKey
from .repository import KeyChecks, TenantKeys, WritableTenantKeys, remember

_log = logs.get(__name__)
_KEYS_IN_MEMORY = 1_000


class Vault:
    """Seals secrets under their tenant's newest data key, and opens them with the one they name.

    Data keys that were unwrapped once stay in memory.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._unwrapped: OrderedDict[UUID, DataKey] = OrderedDict()

    async def seal(self, session: WriteSession, secret: str, place: Place) -> str:
        """The text to store; a tenant without a usable data key gets a new one in the same unit of work."""
        return envelope.seal(await self._sealing_key(session, _scope(place)), secret, place)

    async def open(self, session: ReadSession, sealed: str, place: Place) -> str:
        """The secret; raises SecretUnreadable."""
        key_id = envelope.data_key_id(sealed)
        data_key = self._unwrapped.get(key_id)
        if data_key is None:
            row = await TenantKeys(session).named(_scope(place), key_id)
            if row is None:
                raise SecretUnreadable
            data_key = self._unwrap(row)
        return envelope.unseal(data_key, sealed, place)

    async def add_key(self, session: WriteSession, scope: TenantScope) -> DataKey:
        """Give a tenant a new data key, wrapped by the active master key."""
        data_key = envelope.new_data_key(uuid7())
        bound_to = envelope.wrapping(scope.tenant_id, data_key.id)
        row = TenantKey(
            id=data_key.id,
            tenant_id=scope.tenant_id,
            master_key_id=self._ring.active,
            wrapped=self._ring.wrap(data_key.key, bound_to=bound_to),
        )
        await WritableTenantKeys(session).add(row)
        return data_key

    async def _sealing_key(self, session: WriteSession, scope: TenantScope) -> DataKey:
        row = await TenantKeys(session).newest(scope)
        try:
            return self._unwrap(row) if row else await self.add_key(session, scope)
        except SecretUnreadable:
            return await self.add_key(session, scope)

    def _unwrap(self, row: TenantKey) -> DataKey:
        known = self._unwrapped.get(row.id)
        if known is not None:
            return known
        bound_to = envelope.wrapping(row.tenant_id, row.id)
        data_key = DataKey(
            row.id, self._ring.unwrap(row.wrapped, key_id=row.master_key_id, bound_to=bound_to)
        )
        self._unwrapped[row.id] = data_key
        while len(self._unwrapped) > _KEYS_IN_MEMORY:
            self._unwrapped.popitem(last=False)
        return data_key


async def known_master_keys(database: Database) -> dict[str, str]:
    """The ids of the master keys that this database knows, each with its check value."""
    async with database.read() as session:
        return {check.master_key_id: check.value for check in await KeyChecks(session).all()}


async def check_master_keys(database: Database, ring: KeyRing) -> None:
    """Compare the ring with the keys this database knows, and let it know the active one.

    Raises MasterKeyWrong when a key has another's id, or when none of the known keys is there. A known
    key that is missing beside others is logged: what it wrapped is unreadable until it is back.
    """
    known = await known_master_keys(database)
    for key_id in known.keys() & ring.keys.keys():
        if not ring.recognises(key_id, known[key_id]):
            raise MasterKeyWrong(reason=f"the key named {key_id} is another one than before")
    missing = known.keys() - ring.keys.keys()
    if known and not known.keys() & ring.keys.keys():
        raise MasterKeyWrong(reason=f"it knows {', '.join(sorted(known))}, which is not given")
    for key_id in sorted(missing):
        _log.warning("master_key_missing", key_id=key_id)
    if ring.active not in known:
        async with database.write() as writing:
            await remember(writing, ring.active, ring.check_value(ring.active))


def _scope(place: Place) -> TenantScope:
    return TenantScope(TenantId(place.tenant_id))
