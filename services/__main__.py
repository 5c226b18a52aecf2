"""`python -m services`: all of Penstock in one process, and the commands on its data."""

import argparse
import gc
import sys

OPERATING = {
    "check-dbs": "list the databases of each server",
    "inspect-tables": "look at each data table in its database",
    "fix-tables": "show how ghosts would be repaired, or repair them",
}
"""Commands of the services themselves, with arguments of their own; they print JSON."""


def main() -> int:
    """Run embedded mode, or the command that was given."""
    arguments, others = _arguments()
    # Collecting garbage while thousands of classes are made found nothing and took a fifth of the time.
    gc.disable()
    try:
        from services import embedded
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith(("services", "shared")):
            raise
        sys.stderr.write(f"The package {missing.name} is not installed: run `make setup`.\n")
        return 1
    gc.freeze()
    gc.enable()
    match arguments.command:
        case "migrate":
            return embedded.migrate()
        case "reset-password":
            return embedded.give_new_password(arguments.user, arguments.tenant)
        case command if command in OPERATING:
            return embedded.operate([command, *others])
    return embedded.run()


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and those that an operator's command reads by itself."""
    parser = argparse.ArgumentParser(
        prog="python -m services", description="Run all of Penstock in one process (Ctrl-C ends it)."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("migrate", help="bring the databases to the newest schema")
    reset = commands.add_parser("reset-password", help="give a user a new random password and print it")
    reset.add_argument("user")
    reset.add_argument("--tenant", help="the tenant's slug; without it as at login")
    for name, said in OPERATING.items():
        commands.add_parser(name, help=said, add_help=False)
    arguments, others = parser.parse_known_args()
    if others and arguments.command not in OPERATING:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    return arguments, others


if __name__ == "__main__":
    raise SystemExit(main())
