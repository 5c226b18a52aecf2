# Every module with models, so that the metadata is whole.
import services.etl.files.models
import services.etl.runs.models
import services.etl.tables.models
import services.etl.tasks.models  # noqa: F401 - as all of these
from services.etl.models import Base
from shared.db import migrations

migrations.run_env(Base.metadata, migrations.version_table("etl"))
