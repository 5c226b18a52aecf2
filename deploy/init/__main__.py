"""`python -m deploy.init`: write .env and the secrets that docker-compose.yml needs; add what is missing.

Variables: ADMIN_PASSWORD_FILE, SOURCE_NETWORKS, PUBLISH (address:port of the gateway), EDGE_SUBNET. What
isn't given is asked at a terminal; without one, a random password is made and no private network is allowed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.init.answers import AnswerRefused, Answers
from deploy.init.environment import Environment
from deploy.init.folder import Folder

ROOT: Final = Path(__file__).resolve().parents[2]
UNPRIVILEGED: Final = (10001, 10001)
"""Whom the containers run as when root prepares them; else as whoever does."""
REFUSED: Final = 2


def main(arguments: Sequence[str] | None = None, *, answers: Answers | None = None) -> int:
    """Exit code 0, or 2 when an answer can't be used."""
    chosen = _parser().parse_args(arguments)
    try:
        _prepare(chosen.folder, chosen.env_file, answers or Answers.of_terminal(os.environ))
    except AnswerRefused as refusal:
        print(f"Nothing is written: {refusal}.", file=sys.stderr)
        return REFUSED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.init", description=main.__doc__)
    parser.add_argument("--env-file", type=Path, default=ROOT / ".env")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "compose")
    return parser


def _prepare(folder_path: Path, env_path: Path, answers: Answers) -> None:
    environment = Environment(env_path.absolute())
    known = environment.values()
    owner = UNPRIVILEGED if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    if "PENSTOCK_UID" in known and "PENSTOCK_GID" in known:
        owner = int(known["PENSTOCK_UID"]), int(known["PENSTOCK_GID"])
    folder = Folder(Path(known.get("PENSTOCK_FOLDER") or folder_path).absolute(), owner)
    password = None if folder.has("admin-password") else answers.admin_password()
    environment.add(
        {
            "COMPOSE_PROJECT_NAME": lambda: "penstock",
            "PENSTOCK_UID": lambda: str(owner[0]),
            "PENSTOCK_GID": lambda: str(owner[1]),
            "PENSTOCK_FOLDER": lambda: str(folder.path),
            "PENSTOCK_PUBLISH": answers.publish,
            "PENSTOCK_EDGE_SUBNET": answers.edge_subnet,
            "PENSTOCK_OUTBOUND_ALLOWED_NETWORKS": answers.source_networks,
        }
    )
    folder.fill(lambda: password or "")
    _tell(environment, folder, answers)


def _tell(environment: Environment, folder: Folder, answers: Answers) -> None:
    for what, path, made, kept in (
        ("settings", environment.path, environment.made, environment.kept),
        ("files", folder.path, folder.made, folder.kept),
    ):
        print(f"{path}: {len(made)} {what} written, {len(kept)} kept as they were")
    if "secrets/admin-password" in folder.made:
        print(f"The first password of the user admin: {folder.path / 'secrets' / 'admin-password'}")
    elif answers.given.get("ADMIN_PASSWORD_FILE"):
        print("ADMIN_PASSWORD_FILE is not used: there is a first password already.")
    ignored = [name for name in ("SOURCE_NETWORKS", "PUBLISH", "EDGE_SUBNET") if answers.given.get(name)]
    if ignored and not environment.made:
        print(f"{', '.join(ignored)}: not used, {environment.path} has them already and can be edited.")
    networks = environment.values().get("PENSTOCK_OUTBOUND_ALLOWED_NETWORKS")
    print(f"Private networks that sources may be in: {networks or 'none'} (edit {environment.path.name})")


if __name__ == "__main__":
    raise SystemExit(main())
