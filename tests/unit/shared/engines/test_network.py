"""Connections that are closed at once."""

import asyncio

from shared.engines import network


class ClosedAlready(asyncio.Transport):
    """A TLS transport after its end, as early CPython 3.11 has it: what it hands on to is gone."""

    _protocol = None

    def abort(self) -> None:
        self._protocol._abort()  # type: ignore[attr-defined]  # that is the point


def test_a_connection_that_is_closed_already_may_be_dropped() -> None:
    network.drop(ClosedAlready())
