"""The command line of manage.py."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from deploy.supervisor import commands, operating
from deploy.supervisor.failure import OK, CommandFailed
from deploy.supervisor.layout import Layout
from shared.version import VERSION

Command = Callable[[Layout, argparse.Namespace], int]
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    chosen = _parser().parse_args(arguments)
    command: Command = chosen.command
    try:
        return command(Layout.of(os.environ), chosen)
    except CommandFailed as failure:
        print(failure, file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py",
        description="Operate Penstock: one process with its data in var/, or, when PENSTOCK_BUS_URL names a"
        " message broker, a team of processes against the servers that the settings name.",
    )
    parser.add_argument("--version", action="version", version=f"Penstock {VERSION}")
    adding = parser.add_subparsers(required=True, metavar="COMMAND")
    for starting in (commands.start, commands.restart):
        _add(adding, starting).add_argument("--port", type=int, help="instead of PENSTOCK_PORT or 8080")
    for bare in (commands.stop, commands.migrate):
        _add(adding, bare)
    for telling in (commands.status, commands.doctor):
        _add(adding, telling).add_argument("-o", "--output", choices=("text", "json"), default="text")
    logs = _add(adding, commands.logs)
    logs.add_argument("process", nargs="?", help="of a team: system, meta, etl, runner-1, ...")
    logs.add_argument("-n", "--lines", type=_count, default=50, help="how many of the last lines (50)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    reset = _add(adding, commands.reset_password)
    reset.add_argument("user", help="the user's name, as in `admin`")
    whose = "the user's tenant; without it, as at login: a platform administrator, else the tenant default"
    reset.add_argument("--tenant", help=whose)
    _add_operating(adding)
    return parser


def _add_operating(adding: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    for looking in (operating.check_dbs, operating.inspect_tables, operating.fix_tables):
        parser = _add(adding, looking)
        parser.add_argument("--tenant", help="only this tenant, by its slug")
        parser.add_argument("--resource", help="only resources of this name")
        parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    parser.add_argument("--table", action="append", help="only this table, by a name or its id; repeatable")
    actions = "make it what is configured; take over what is there; forget that it was published"
    parser.add_argument("--action", choices=("recreate", "adopt", "draft"), default="recreate", help=actions)
    parser.add_argument("--yes", action="store_true", help="carry the plans out that are shown")
    names = "a table whose values may go, by the name that its plan asks for; repeatable"
    parser.add_argument("--confirm", action="append", help=names)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines: 0 or more")
    return int(text)


def _add(
    adding: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command
) -> argparse.ArgumentParser:
    """A subcommand, called like its function, explained by the function's docstring."""
    said = command.__doc__ or ""
    name = command.__name__.replace("_", "-")
    parser: argparse.ArgumentParser = adding.add_parser(name, help=said, description=said)
    parser.set_defaults(command=command)
    return parser
