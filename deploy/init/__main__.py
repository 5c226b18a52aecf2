"""`python -m deploy.init`: write .env and the secrets that docker-compose.yml needs; add what is missing.

Variables: ADMIN_PASSWORD_FILE, SOURCE_NETWORKS, PUBLISH (address:port of the gateway), EDGE_SUBNET. What
isn't given is asked at a terminal; without one, a random password is made and no private network is allowed.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.init.answers import AnswerRefused, Answers
from deploy.init.environment import Environment
from deploy.init.folder import Folder, FolderUnusable

ROOT: Final = Path(__file__).resolve().parents[2]
UNPRIVILEGED: Final = (10001, 10001)
"""Whom the containers run as when root prepares them; else as whoever does."""
REFUSED: Final = 2


def main(arguments: Sequence[str] | None = None, *, answers: Answers | None = None) -> int:
    """Exit code 0, or 2 when an answer, .env or the folder can't be used."""
    chosen = _parser().parse_args(arguments)
    try:
        _prepare(chosen.folder, chosen.env_file, answers or Answers.of_terminal(os.environ))
    except AnswerRefused as refusal:
        print(f"Nothing is written: {refusal}.", file=sys.stderr)
        return REFUSED
    except FolderUnusable as unusable:
        print(unusable, file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"{error.filename} can't be used: {error.strerror}.", file=sys.stderr)
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
    path = Path(known.get("PENSTOCK_FOLDER") or folder_path).absolute()
    owner = _owner(known, path)
    folder = Folder(path, owner)
    folder.check()
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
        },
        may_be_empty=("PENSTOCK_OUTBOUND_ALLOWED_NETWORKS",),
    )
    folder.fill(lambda: password or "")
    _tell(environment, folder, answers)


def _owner(known: Mapping[str, str], path: Path) -> tuple[int, int]:
    """Whom the containers run as: .env says it, else the folder that is there, else who prepares it now."""
    said = known.get("PENSTOCK_UID"), known.get("PENSTOCK_GID")
    if said[0] and said[1]:
        try:
            return int(said[0]), int(said[1])
        except ValueError:
            raise AnswerRefused(
                f"PENSTOCK_UID and PENSTOCK_GID are numbers, and not {said[0]}, {said[1]}"
            ) from None
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    if path.exists() and path.stat().st_uid != 0:
        return path.stat().st_uid, path.stat().st_gid
    return UNPRIVILEGED


def _tell(environment: Environment, folder: Folder, answers: Answers) -> None:
    for what, path, made, kept in (
        ("settings", environment.path, environment.made, environment.kept),
        ("files", folder.path, folder.made, folder.kept),
    ):
        print(f"{path}: {len(made)} {what} written, {len(kept)} kept as they were")
    if folder.mended:
        print(f"{folder.path}: {len(folder.mended)} files given back to their owner, mode 0600 or 0644")
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
