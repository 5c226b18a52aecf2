"""The sample service as a process of its own: the signing key comes in, the port goes out."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.http.app import build_app, build_root
from shared.http.server import serving
from shared.http.services import Services
from shared.process import main
from shared.security.tokens import LocalKeys, SigningKey, TokenVerifier
from tests.unit.shared.http import sample


@asynccontextmanager
async def service() -> AsyncIterator[None]:
    services = Services()
    services.add(sample.Memory, sample.Memory(endless=True))
    verifier = TokenVerifier(LocalKeys(SigningKey.from_pem(sys.stdin.read())))
    app = build_app(
        "sample",
        prefix="/api/sample/v1",
        features=[sample],
        services=services,
        verifier=verifier,
        version="1",
    )
    async with serving(build_root(app)) as (_, port):
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        yield


if __name__ == "__main__":
    main.run(service)
