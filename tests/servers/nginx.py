"""A private gateway: nginx with the configuration that ships, on loopback, on a free port."""

import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.private import Account, Guarded, ServerFailed, find_program, free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "gateway"
START_SECONDS = 10.0
ATTEMPTS = 5
LISTEN = "listen 8080 "
SHIPPED_RESOLVER, SHIPPED_PORT = "127.0.0.11", ":8080"
SERVICES = ("system", "meta", "etl")
PLACE = """
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
access_log {folder}/access.log json;
root {folder}/console;
"""


@dataclass(frozen=True)
class Certificate:
    """What the TLS variant needs, in PEM."""

    chain: str
    key: str


@dataclass(frozen=True)
class Gateway:
    """A gateway that answers at `url`."""

    url: str
    port: int
    folder: Path

    def access_log(self) -> list[str]:
        """The lines of the access log so far."""
        return (self.folder / "access.log").read_text(encoding="utf-8").splitlines()

    def write_page(self, path: str, text: str) -> None:
        """Put a file where the console's are, such as assets/app.js."""
        page = self.folder / "console" / path
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
        page.parent.chmod(0o755)


def fixed(addresses: Mapping[str, str]) -> str:
    """The upstreams when each service keeps one `host:port`."""
    blocks = [
        f"upstream {name} {{ server {addresses[name]} max_fails=0; keepalive 32; }}" for name in SERVICES
    ]
    return "\n".join([*blocks, "map $service $backend { default $service; }"])


def named(resolver: str, endpoints: Mapping[str, str]) -> str:
    """The upstreams when each service has a `name:port` that the name server at `resolver` knows.

    The form for an nginx older than 1.27.3: the gateway asks again when a second has passed.
    """
    places = " ".join(f"{name} {endpoints[name]};" for name in SERVICES)
    return f"resolver {resolver} valid=1s ipv6=off; resolver_timeout 2s; map $service $backend {{ {places} }}"


def shipped(resolver: str, port: int) -> str:
    """The upstreams as they ship, asking another name server and for services on another port."""
    text = (CONFIGURATION / "upstreams.conf").read_text(encoding="utf-8")
    assert (text.count(SHIPPED_RESOLVER), text.count(SHIPPED_PORT)) == (2, 4), "one of each in a comment"
    return text.replace(SHIPPED_RESOLVER, resolver).replace(SHIPPED_PORT, f":{port}")


def version() -> tuple[int, ...]:
    """The version of the installed nginx. Raises ServerMissing."""
    program = find_program("nginx", Path("/usr/sbin"))
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(number) for number in re.findall(r"nginx/([\d.]+)", told)[0].split("."))


@contextmanager
def running(
    upstreams: str, *, certificate: Certificate | None = None, rates: str | None = None
) -> Iterator[Gateway]:
    """A gateway that runs until the end of the block, or of this process.

    `upstreams` comes from `fixed` or `named`; `rates` stands in for the rates that ship. The folder of
    the console is empty.
    """
    program = find_program("nginx", Path("/usr/sbin"))
    extra = {"upstreams.conf": upstreams} | ({} if rates is None else {"rates.conf": rates})
    if certificate is not None:
        extra |= {"tls/tls.crt": certificate.chain, "tls/tls.key": certificate.key}
    server, gateway = _started(program, extra)
    try:
        yield gateway
    finally:
        server.stop()


def _started(program: Path, files: Mapping[str, str]) -> tuple[Guarded, Gateway]:
    """Another process may take the free port before nginx does: then all is tried again."""
    printed = ""
    tls = "tls/tls.crt" in files
    for _ in range(ATTEMPTS):
        account = Account.unprivileged()
        folder = account.folder("penstock-nginx-")
        port = free_port()
        main = _configure(folder, port, files, tls=tls)
        main_directives = f"daemon off; pid {folder}/nginx.pid;"
        command = [str(program), "-e", "stderr", "-g", main_directives, "-p", str(folder), "-c", str(main)]
        server = account.guarded(command, folder=folder, stop_signal=signal.SIGTERM)
        if _ready(server, folder / "nginx.pid", port):
            return server, Gateway(f"http{'s' * tls}://127.0.0.1:{port}", port, folder)
        printed = server.printed()
        server.stop()
    raise ServerFailed(printed)


def _configure(folder: Path, port: int, files: Mapping[str, str], *, tls: bool) -> Path:
    """What ships, with the port and the files of this place; the result is the main file."""
    copied = folder / "gateway"
    shutil.copytree(CONFIGURATION, copied, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    (folder / "console").mkdir(mode=0o755)
    for name, text in {**files, "place.conf": PLACE.format(folder=folder)}.items():
        (copied / name).parent.mkdir(exist_ok=True)
        (copied / name).write_text(text, encoding="utf-8")
    main = copied / ("nginx-tls.conf" if tls else "nginx.conf")
    shipped = main.read_text(encoding="utf-8")
    assert shipped.count(LISTEN) == 1
    main.write_text(shipped.replace(LISTEN, f"listen 127.0.0.1:{port} "), encoding="utf-8")
    return main


def _ready(server: Guarded, pid_file: Path, port: int) -> bool:
    """The pid file says that the port is ours and not another program's."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.alive():
        if pid_file.exists() and _listens(port):
            return True
        time.sleep(0.02)
    return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
