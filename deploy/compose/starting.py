"""Start the containers and wait until each of them is what it should be."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from deploy.compose.engine import Compose, ComposeFailed, Container

PATIENCE: Final = 300.0
RESTARTS: Final = 4
"""What comes up in any order may end once; who ends more often than this while we look, always will."""
LOG_LINES: Final = "15"
_POLL: Final = 1.0


class NotStarted(Exception):
    """Some containers are not healthy; the text names them."""


def start(compose: Compose, *, runners: int = 1, tell: Callable[[str], None] = print) -> float:
    """Build, start, wait; the seconds from the start to the last healthy container. Raises NotStarted."""
    tell("Building the images")
    compose.run("build", "--quiet")
    began = time.monotonic()
    compose.run("up", "--detach", "--remove-orphans", "--scale", f"runner={runners}")
    wait(compose, began + PATIENCE, tell)
    return time.monotonic() - began


def wait(compose: Compose, deadline: float, tell: Callable[[str], None]) -> None:
    """Wait until all containers are settled; says whom it waits for whenever that changes.

    Raises NotStarted at the deadline, and at once for a container that does nothing but end.
    """
    told: list[str] = []
    before: dict[str, int] = {}
    while waiting := [one for one in compose.containers() if not one.settled]:
        names = [one.service for one in waiting]
        if names != told:
            told = names
            tell(f"Waiting for {', '.join(names)}")
        ending = [one for one in waiting if one.restarts - before.setdefault(one.id, one.restarts) > RESTARTS]
        if ending:
            _explain(compose, ending)
            raise NotStarted(f"Ends again and again: {', '.join(one.service for one in ending)}")
        if time.monotonic() > deadline:
            _explain(compose, waiting)
            raise NotStarted(f"Not healthy after {PATIENCE:.0f} s: {', '.join(names)}")
        time.sleep(_POLL)


def _explain(compose: Compose, waiting: Sequence[Container]) -> None:
    for one in waiting:
        try:
            compose.run("logs", "--no-color", "--tail", LOG_LINES, one.service)
        except ComposeFailed:
            continue
