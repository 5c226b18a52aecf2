"""`python -m services.migrate`: brings the services' databases to the newest schema, and ends.

It does so for those whose address is set (PENSTOCK_SYSTEM_DATABASE_URL, PENSTOCK_META_DATABASE_URL,
PENSTOCK_ETL_DATABASE_URL, or these with _FILE), and waits for those that don't answer yet.
"""

from typing import Final

from shared.config.base import Settings, SettingsInvalid, load
from shared.config.service import DatabaseUrl
from shared.db import migrations
from shared.db.waiting import until_current
from shared.observe import logs
from shared.process import main as process

SERVICES: Final = ("system", "meta", "etl")
_log = logs.get(__name__)


class MigrateSettings(Settings):
    """The databases; those that aren't given are left alone."""

    system_database_url: DatabaseUrl = ""
    meta_database_url: DatabaseUrl = ""
    etl_database_url: DatabaseUrl = ""

    def urls(self) -> dict[str, str]:
        """The addresses by service. Raises SettingsInvalid when there is none."""
        given: dict[str, str] = {name: getattr(self, f"{name}_database_url") for name in SERVICES}
        urls = {name: url for name, url in given.items() if url}
        if not urls:
            variables = ", ".join(f"PENSTOCK_{name.upper()}_DATABASE_URL" for name in SERVICES)
            raise SettingsInvalid(problems=f"no database is given: set one of {variables}, or its _FILE")
        return urls


def main() -> None:
    """Migrate all databases; a signal ends the waiting."""
    logs.configure("migrate")
    process.run_once(_migrate)


async def _migrate() -> None:
    for service, url in load(MigrateSettings).urls().items():
        await until_current(url, service, migrate=True)
        _log.info("database_current", database=service, revision=migrations.head(service))


if __name__ == "__main__":
    main()
