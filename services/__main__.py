"""`python -m services`: all of Penstock in one process, and the commands on its data."""

import argparse
import gc
import sys


def main() -> int:
    """Run embedded mode, or the command that was given."""
    arguments = _arguments()
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
    return embedded.run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services", description="Run all of Penstock in one process (Ctrl-C ends it)."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("migrate", help="bring the databases to the newest schema")
    reset = commands.add_parser("reset-password", help="give a user a new random password and print it")
    reset.add_argument("user")
    reset.add_argument("--tenant", help="the tenant's slug; without it as at login")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
