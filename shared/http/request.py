"""What an operation sees of a request."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, TypeVar

from aiohttp import web
from multidict import CIMultiDictProxy, MultiMapping

from shared.contracts.identity import Principal, TenantScope
from shared.errors import Fault, PreconditionMissing
from shared.http import body, errors
from shared.http.operation import Operation
from shared.http.responses import EVENT_STREAM
from shared.http.services import Services

T = TypeVar("T")

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"', re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_EVENT_ID = re.compile(r"\d{1,18}", re.ASCII)
_NO_WEIGHT = re.compile(r"q=0(\.0{0,3})?", re.ASCII | re.IGNORECASE)
FORWARDED: Final = "X-Forwarded-For"


class Request:
    """A request whose caller has been checked, with what the operation may need of it."""

    def __init__(
        self,
        raw: web.Request,
        *,
        operation: Operation,
        services: Services,
        principal: Principal | None,
        request_id: str,
        client_address: str,
        stopping: asyncio.Event,
        accepts: Callable[[Principal], bool],
    ) -> None:
        self.raw = raw
        self.id = request_id
        self.client_address = client_address
        self.stopping = stopping
        self._operation = operation
        self._services = services
        self._principal = principal
        self._accepts = accepts

    @property
    def principal(self) -> Principal:
        """The verified caller. TokenMissing in a PUBLIC operation, which has none."""
        if self._principal is None:
            raise errors.TokenMissing
        return self._principal

    @property
    def bearer(self) -> str:
        """The caller's access token, to ask another service in the caller's name."""
        return self.raw.headers["Authorization"].partition(" ")[2].strip()

    @property
    def may_go_on(self) -> bool:
        """Whether the caller's token is still good: what takes long asks again and again."""
        return self._accepts(self.principal)

    @property
    def tenant(self) -> TenantScope:
        """The caller's tenant. TenantMissing when the caller belongs to none."""
        tenant = self.principal.tenant
        if tenant is None:
            raise errors.TenantMissing
        return tenant

    def service(self, kind: type[T]) -> T:
        """The application service of this type."""
        return self._services.get(kind)

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        return self.raw.headers

    @property
    def query(self) -> MultiMapping[str]:
        """The query as it was sent; operations declare a model with `query=` instead."""
        return self.raw.query

    @property
    def path_names(self) -> Mapping[str, str]:
        return self.raw.match_info

    @property
    def if_match(self) -> int:
        """The version that the caller has read. PreconditionMissing without the header."""
        if not self._operation.if_match:
            raise TypeError(f"{self._operation.name} has to declare if_match=True")
        given = self.raw.headers.getall("If-Match", [])
        if not given:
            raise PreconditionMissing(loc=("header", "If-Match"))
        match = _ETAG.fullmatch(given[0].strip()) if len(given) == 1 else None
        if match is None:
            raise _bad_header("If-Match", 'one ETag as it was returned is needed, such as "3"')
        return int(match[1])

    @property
    def idempotency_key(self) -> str | None:
        """The caller's name for this piece of work: sent twice, it is done once."""
        if not self._operation.idempotent:
            raise TypeError(f"{self._operation.name} has to declare idempotent=True")
        key = self.raw.headers.get("Idempotency-Key")
        if key is not None and not _KEY.fullmatch(key):
            raise _bad_header("Idempotency-Key", "1 to 200 visible ASCII characters are needed")
        return key

    @property
    def last_event_id(self) -> int | None:
        """The number of the last event that the caller has seen, when it resumes a stream."""
        given = self.raw.headers.get("Last-Event-ID")
        if not given:
            return None
        if not _EVENT_ID.fullmatch(given):
            raise _bad_header("Last-Event-ID", "the number of an event is needed")
        return int(given)

    @property
    def wants_stream(self) -> bool:
        """Whether the caller names event streams in Accept, with a weight above 0 (RFC 9110, 12.4.2)."""
        ranges = ",".join(self.raw.headers.getall("Accept", [])).split(",")
        return any(_is_wanted(each) for each in ranges)

    def stream(self, limit: int) -> AsyncIterator[bytes]:
        """The body in pieces: BodyTooLarge once it is over `limit` bytes, BodyTooSlow when it stalls."""
        return body.chunks(self.raw, limit)


def _is_wanted(media_range: str) -> bool:
    media_type, *parameters = (part.strip() for part in media_range.split(";"))
    return media_type.lower() == EVENT_STREAM.type and not any(map(_NO_WEIGHT.fullmatch, parameters))


def _bad_header(name: str, message: str) -> errors.RequestInvalid:
    return errors.RequestInvalid(faults=[Fault(("header", name), "header_invalid", message)])
