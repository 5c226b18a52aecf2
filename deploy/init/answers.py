"""What only the operator knows: from variables, else asked at a terminal, else a safe choice."""

import getpass
import ipaddress
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.init import material

PASSWORD_LENGTHS: Final = range(12, 201)
"""As System has it for every password."""
DEFAULTS: Final = {"PUBLISH": "127.0.0.1:8080", "EDGE_SUBNET": "10.213.85.0/24"}


class AnswerRefused(Exception):
    """An answer can't be used; the text says why."""


@dataclass(frozen=True)
class Answers:
    """`given` are variables of the caller; `ask` and `ask_secretly` are None where nobody can be asked."""

    given: Mapping[str, str]
    ask: Callable[[str], str] | None = None
    ask_secretly: Callable[[str], str] | None = None

    @classmethod
    def of_terminal(cls, environment: Mapping[str, str]) -> "Answers":
        """Ask only when there is somebody at both ends of the terminal."""
        there = sys.stdin.isatty() and sys.stdout.isatty()
        return cls(environment, input if there else None, getpass.getpass if there else None)

    def admin_password(self) -> str:
        """The first password of the user `admin`."""
        file = self.given.get("ADMIN_PASSWORD_FILE")
        if file:
            return self._usable(_text(Path(file)), "the password in the file of ADMIN_PASSWORD_FILE")
        if self.ask_secretly is None:
            return material.password_for_people()
        typed = self.ask_secretly("First password of the user admin (empty: a random one is made): ")
        return self._usable(typed, "the password") if typed else material.password_for_people()

    def source_networks(self) -> str:
        """The private networks with databases that Penstock may connect to, separated by commas."""
        text = self.given.get("SOURCE_NETWORKS")
        if text is None and self.ask is not None:
            text = self.ask(
                "Private networks with the databases that Penstock may connect to, such as"
                " 10.20.0.0/16,192.168.7.0/24 (empty: none): "
            )
        return ",".join(_network(part.strip()) for part in (text or "").split(",") if part.strip())

    def publish(self) -> str:
        """`address:port` of this machine where the gateway listens."""
        text = self.given.get("PUBLISH") or DEFAULTS["PUBLISH"]
        host, _, port = text.rpartition(":")
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            raise AnswerRefused(f"PUBLISH is address:port, such as 0.0.0.0:8080, and not {text}") from None
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):  # noqa: PLR2004 - the ports
            raise AnswerRefused(f"PUBLISH is address:port, such as 0.0.0.0:8080, and not {text}")
        return text

    def edge_subnet(self) -> str:
        """The network between the gateway and the services; only what comes from there is trusted."""
        return _network(self.given.get("EDGE_SUBNET") or DEFAULTS["EDGE_SUBNET"])

    @staticmethod
    def _usable(password: str, what: str) -> str:
        if len(password) not in PASSWORD_LENGTHS:
            raise AnswerRefused(f"{what} has {len(password)} characters: 12 to 200 are needed")
        return password


def _text(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise AnswerRefused(f"the file {path} can't be read") from None


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise AnswerRefused(f"{text} is no network in CIDR form: {error}") from None
