# Every module with models, so that the metadata is whole.
import services.system.audit.models
import services.system.clients.models
import services.system.resources.models
import services.system.secrets.models
import services.system.sessions.models
import services.system.tenants.models
import services.system.users.models  # noqa: F401 - as all of these
from services.system.models import Base
from shared.db import migrations

migrations.run_env(Base.metadata, migrations.version_table("system"))
