"""`python -m deploy.gateway.console FOLDER`: put the console there, or the page that stands in for it.

Run while the gateway's image is built, so it needs the standard library only.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

from services import welcome
from shared.version import VERSION

BUILT: Final = Path(__file__).parents[2] / "console" / "dist"
PREFIXES: Final = {"System": "/api/system/v1", "Meta": "/api/meta/v1", "ETL": "/api/etl/v1"}


def put(folder: Path, *, built: Path = BUILT) -> None:
    """Copy the built console; without one, write the welcome page as index.html."""
    if (built / "index.html").exists():
        shutil.copytree(built, folder)
        return
    folder.mkdir(parents=True)
    page = welcome.team_page(version=VERSION, prefixes=PREFIXES)
    (folder / "index.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    put(Path(sys.argv[1]))
