"""`make test-compose`: run the docker-compose.yml that ships, tell it the story, take everything away.

Needs a container engine (exit code 4 without one). Everything it makes has names of its own: an installation
that runs on the same engine is left alone. The images stay, which makes the second time quick.
"""

import os
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.compose import footprint, starting
from deploy.compose.__main__ import FAILED, NO_ENGINE
from deploy.compose.engine import ROOT, Compose, ComposeFailed, EngineMissing, opened
from deploy.init.__main__ import main as initialise
from deploy.init.answers import Answers
from tests.acceptance.process import Caller, log_in
from tests.compose import checks, shops
from tests.servers.private import free_port
from tests.team import scenario

PROJECT = f"penstock-test-{secrets.token_hex(3)}"
EDGE, OUTBOUND = "10.213.87.0/24", "10.213.88.0/24"
RUNNERS = 2
LOG_LINES = "40"
HERE = Path("tests", "compose")


def main() -> int:
    """Exit code 0, 1 when something is not as it should be, 4 without a container engine."""
    with tempfile.TemporaryDirectory(prefix="penstock-compose-") as folder:
        try:
            with _deployed(Path(folder)) as (compose, address):
                _tell(compose, address, Path(folder))
        except EngineMissing as missing:
            _say(f"The compose file is not tried: {missing}")
            return NO_ENGINE
        except (AssertionError, ComposeFailed, starting.NotStarted):
            _say(f"FAILED: {traceback.format_exc()}")
            return FAILED
    _say("The story is told, and all is taken down.")
    return 0


@contextmanager
def _deployed(folder: Path) -> Iterator[tuple[Compose, str]]:
    """The project and the address of its gateway, for as long as the block lasts."""
    address = f"127.0.0.1:{free_port()}"
    given = {"SOURCE_NETWORKS": OUTBOUND, "PUBLISH": address, "EDGE_SUBNET": EDGE}
    variables = {**os.environ, "SHOP_PASSWORD": shops.PASSWORD, "SHOP_SUBNET": OUTBOUND}
    variables.pop("COMPOSE_FILE", None)
    env_file = folder / ".env"
    engine = opened(variables, project=PROJECT)
    arguments = ["--folder", str(folder / "compose"), "--env-file", str(env_file)]
    assert initialise(arguments, answers=Answers(given)) == 0
    options = ["--project-name", PROJECT, "--env-file", str(env_file)]
    for file in ("docker-compose.yml", *_overrides(engine)):
        options += ["--file", file]
    compose = opened(variables, project=PROJECT, options=options)
    try:
        seconds = starting.start(compose, runners=RUNNERS, tell=_say)
        _say(f"All containers are healthy after {seconds:.0f} s")
        yield compose, address
    except BaseException:
        _show_logs(compose)
        raise
    finally:
        compose.run("down", "--volumes", "--remove-orphans", "--timeout", "20")


def _overrides(engine: Compose) -> list[str]:
    """What the tenant's databases need, and what images lack that stand in for the public ones."""
    files = [str(HERE / "sources.yml")]
    if _stands_in(engine):
        _say("The public images are not here: their stand-ins get what tests/compose/stand-ins.yml adds")
        files.append(str(HERE / "stand-ins.yml"))
    return files


def _stands_in(engine: Compose) -> bool:
    """Whether `nginx:1.28` is here and is not the public image, which tells its version."""
    try:
        told = engine.docker("image", "inspect", "--format", "{{json .Config.Env}}", "nginx:1.28")
    except ComposeFailed:
        return False
    return "NGINX_VERSION" not in told


def _tell(compose: Compose, address: str, folder: Path) -> None:
    checks.nothing_is_privileged(compose)
    checks.no_secret_can_be_inspected(compose, folder / "compose" / "secrets")
    _say(footprint.table(idle := footprint.measure(compose)))
    assert footprint.ours(idle) < footprint.PROMISED_MIB, "the Python containers take more than promised"
    sources = shops.sources(compose)
    password = (folder / "compose" / "secrets" / "admin-password").read_text(encoding="utf-8").strip()
    admin = log_in(address, "admin", password)
    began = time.monotonic()
    told = scenario.tell(admin, sources)
    _say(f"Told with {', '.join(told.resources)} in {time.monotonic() - began:.0f} s")
    checks.the_audit_knows_who_called(admin, EDGE)
    _say(f"The gateway followed a service to another address in {_moved(compose, admin):.1f} s")


def _moved(compose: Compose, admin: Caller) -> float:
    """Seconds from the moment a service is ready at another address to its first answer."""
    checks.give_another_address(compose, "meta", f"{PROJECT}_edge")
    began = time.monotonic()
    return checks.first_answer(admin, "/api/meta/v1/health/live") - began


def _say(text: str) -> None:
    """On standard output at once: compose writes there, too, by itself."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _show_logs(compose: Compose) -> None:
    try:
        compose.run("ps")
        compose.run("logs", "--no-color", "--tail", LOG_LINES, "gateway", "system", "meta", "etl", "runner")
    except ComposeFailed:
        _say("Their logs can't be shown.")


if __name__ == "__main__":
    os.chdir(ROOT)
    raise SystemExit(main())
