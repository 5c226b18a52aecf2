"""`python -m deploy.compose COMMAND`: what make up, down, logs, ps and footprint do."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.compose import footprint, starting
from deploy.compose.engine import ROOT, Compose, ComposeFailed, EngineMissing, opened
from deploy.init.__main__ import main as initialise
from deploy.init.environment import Environment

Command = Callable[[Compose, argparse.Namespace], int]
ENV_FILE: Final = ROOT / ".env"
FAILED: Final = 1
NO_ENGINE: Final = 4
INTERRUPTED: Final = 130
MAX_RUNNERS: Final = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, 1 when something failed, 4 without a container engine."""
    chosen = _parser().parse_args(arguments)
    command: Command = chosen.command
    try:
        return command(opened(os.environ, project=_project()), chosen)
    except EngineMissing as missing:
        print(missing, file=sys.stderr)
        return NO_ENGINE
    except starting.NotStarted as failure:
        print(failure, file=sys.stderr)
        return FAILED
    except ComposeFailed:
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def up(compose: Compose, chosen: argparse.Namespace) -> int:
    """Initialise what is missing, build, start, and wait until all is healthy."""
    code = initialise([])
    if code:
        return code
    seconds = starting.start(compose, runners=chosen.runners)
    settings = Environment(ENV_FILE).values()
    certificate = Path(settings["PENSTOCK_FOLDER"], "tls", "tls.crt")
    scheme = "https" if certificate.exists() else "http"
    print(f"Penstock is ready at {scheme}://{settings['PENSTOCK_PUBLISH']} ({seconds:.0f} s)")
    return 0


def down(compose: Compose, _: argparse.Namespace) -> int:
    """Stop and remove the containers; the volumes with the data stay."""
    compose.run("down", "--remove-orphans")
    return 0


def logs(compose: Compose, chosen: argparse.Namespace) -> int:
    """Show the logs and follow them."""
    compose.run("logs", "--tail", "100", "--follow", *chosen.services)
    return 0


def ps(compose: Compose, _: argparse.Namespace) -> int:
    """Show the containers."""
    compose.run("ps")
    return 0


def sizes(compose: Compose, _: argparse.Namespace) -> int:
    """Show the sizes of images and the memory of containers."""
    lines = footprint.measure(compose)
    print(footprint.table(lines) if lines else "Nothing runs: start it with `make up`.")
    return 0 if lines else FAILED


def _project() -> str:
    """As compose finds it: the environment goes before the file."""
    name = "COMPOSE_PROJECT_NAME"
    return os.environ.get(name) or Environment(ENV_FILE).values().get(name) or "penstock"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.compose", description=main.__doc__)
    adding = parser.add_subparsers(required=True, metavar="COMMAND")
    commands: dict[str, Command] = {"up": up, "down": down, "logs": logs, "ps": ps, "footprint": sizes}
    for name, command in commands.items():
        added = adding.add_parser(name, help=command.__doc__)
        added.set_defaults(command=command)
        if command is up:
            added.add_argument("--runners", type=_runners, default=1, help="how many runners (1)")
        if command is logs:
            added.add_argument("services", nargs="*", help="of these only")
    return parser


def _runners(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_RUNNERS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runners: 0 to {MAX_RUNNERS}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
