"""The connection tests of HTTP APIs and of buckets."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from shared.contracts.connection import HttpConnection, S3Connection
from shared.engines import http, network
from shared.engines._probe_steps import Steps, bounded
from shared.engines.errors import ConnectFailed, ConnectRefused
from shared.engines.s3 import Bucket
from shared.http.outbound import Outbound
from shared.security import guard

_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PORTS: Final = {"http": 80, "https": 443}


async def test_http(
    target: HttpConnection,
    policy: guard.OutboundPolicy,
    *,
    steps: Steps,
    timeout: float,  # noqa: ASYNC109 - as in probe.test()
) -> None:
    """Try the API; raises the `ConnectFailed` that is also the last of the steps."""
    await _resolve(target.base_url, policy, steps, timeout)
    async with Outbound(policy, seconds=timeout) as outbound:
        with steps.step("connect") as detail:
            status = await bounded(_asked(target, outbound), "connect", timeout)
            detail.append(f"it answers with status {status}")
        with steps.step("authenticate"):
            if status in _REFUSED:
                raise ConnectRefused(
                    step="authenticate",
                    reason=f"it refuses who we are (status {status})",
                    hint="Check how the API wants callers to prove who they are.",
                )
        with steps.step("database") as detail:
            if status >= HTTPStatus.BAD_REQUEST:
                raise ConnectRefused(
                    step="database",
                    reason=f"it answers the test path with status {status}",
                    hint="Give a test path that the API answers.",
                )
            detail.append("the test path is answered")


async def test_s3(
    target: S3Connection,
    policy: guard.OutboundPolicy,
    *,
    steps: Steps,
    timeout: float,  # noqa: ASYNC109 - as in probe.test()
) -> None:
    """Try the bucket; raises the `ConnectFailed` that is also the last of the steps."""
    await _resolve(target.endpoint or f"https://s3.{target.region}.amazonaws.com", policy, steps, timeout)
    async with Outbound(policy, seconds=timeout) as outbound:
        failure: ConnectFailed | None = None
        with steps.step("connect"):
            try:
                some = await bounded(_some(Bucket(target, outbound, tries=1)), "connect", timeout)
            except ConnectFailed as error:
                if error.step in {"resolve", "connect", "tls"}:
                    raise
                failure = error
        with steps.step("authenticate"):
            if failure is not None and failure.step == "authenticate":
                raise failure
        with steps.step("database") as detail:
            if failure is not None:
                raise failure
            detail.append("objects are there" if some else "there is no object yet")


async def _resolve(url: str, policy: guard.OutboundPolicy, steps: Steps, seconds: float) -> None:
    parts = urlsplit(url)
    with steps.step("resolve") as detail:
        port = parts.port or _PORTS[parts.scheme]
        addresses = await bounded(network.resolve(parts.hostname or "", port, policy), "resolve", seconds)
        detail.append(f"{len(addresses)} address(es)")


async def _asked(target: HttpConnection, outbound: Outbound) -> int:
    url, headers = http.request_of(target, target.test_path)
    async with outbound.send("GET", url, headers=headers) as answer:
        return int(answer.status)


async def _some(bucket: Bucket) -> bool:
    async for _ in bucket.listed(most=1):
        return True
    return False
