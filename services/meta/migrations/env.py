import services.meta.catalog.models
import services.meta.datasources.models
import services.meta.sync.models  # noqa: F401 - imported so that the metadata knows their tables
from services.meta.models import Base
from shared.db import migrations

migrations.run_env(Base.metadata, "alembic_version_meta")
