"""See that the servers which the tests start are installed; install what is missing where we may."""

import sys

from deploy.provision import debian
from deploy.provision.programs import SERVERS, Server

EXIT_MISSING = 3


def main() -> int:
    """Exit code 0 when everything is there, 3 when something is missing and can't be installed."""
    missing = [server for server in SERVERS if server.installed() is None]
    if missing:
        try:
            provide(missing)
        except debian.InstallationFailed as failure:
            print(failure, file=sys.stderr)
    still_missing = [server for server in SERVERS if server.installed() is None]
    if still_missing:
        print(what_to_do(still_missing), file=sys.stderr)
        return EXIT_MISSING
    for server in SERVERS:
        print(f"{server.title}: {server.installed()}")
    return 0


def provide(missing: list[Server]) -> None:
    if debian.usable():
        packages = [package for server in missing for package in server.debian_packages]
        print(f"Installing {', '.join(packages)} (nothing is started)")
        debian.install(packages)


def what_to_do(missing: list[Server]) -> str:
    titles = " and ".join(server.title for server in missing)
    packages = " ".join(package for server in missing for package in server.debian_packages)
    return (
        f"The tests start a private {titles} and its programs are not installed: "
        f"install them (Debian, as root: apt-get install {packages}) or put them on the PATH."
    )


if __name__ == "__main__":
    raise SystemExit(main())
