"""The rules of docs/architecture.md that the import contracts of pyproject.toml can't express."""

import ast
import re
import sys

from tests.style.imports import imports_of, loaded_with
from tests.style.sources import CODE, Source, sources

HEAVY = {"pandas", "pyarrow", "numpy", "pgpq", "duckdb"}
PROCESSES = re.compile(r"services\.(?:embedded|__main__|migrate|etl\.runner\.__main__|\w+\.(?:app|__main__))")
PLUGINS = ("services/etl/handlers", "services/etl/loaders", "services/etl/destinations")
"""Found by discovery, so no import statement leads to them."""
OPERATING = (
    "deploy/supervisor",
    "deploy/provision",
    "deploy/init",
    "deploy/compose",
    "deploy/images",
    "shared/__init__.py",
    "shared/version.py",
    "tests/servers/guard.py",
)
OPERATING_MODULES = (
    "deploy.supervisor",
    "deploy.provision",
    "deploy.init",
    "deploy.compose",
    "shared.version",
)
COMMITTER = "shared/db/session.py"


def test_no_service_and_not_embedded_mode_loads_pandas_or_pyarrow() -> None:
    modules = {source.module: source for source in sources("shared", "services")}
    edges = [name for name in modules if PROCESSES.fullmatch(name)]
    plugins = [source.module for source in sources(*PLUGINS) if not source.path.name.startswith("_")]
    loaded = loaded_with([*edges, *plugins], modules)
    early = [
        f"{modules[module].name}:{found.line} imports {found.module}; it is loaded by {importer or 'itself'}"
        for module, importer in loaded.items()
        for found in imports_of(modules[module])
        if found.eager and found.top in HEAVY
    ]
    assert early == []


def test_a_handler_imports_its_heavy_libraries_where_it_uses_them() -> None:
    early = [
        f"{source.name}:{found.line} imports {found.module}"
        for source in sources("services/etl/handlers")
        if not source.path.name.startswith("_")  # what handlers import inside their methods
        for found in imports_of(source)
        if found.eager and found.top in HEAVY
    ]
    assert early == []


def test_what_operates_penstock_needs_the_standard_library_only() -> None:
    foreign = [
        f"{source.name}:{found.line} imports {found.module}"
        for source in sources("manage.py", *OPERATING)
        for found in imports_of(source)
        if found.top not in sys.stdlib_module_names and not found.module.startswith(OPERATING_MODULES)
    ]
    assert foreign == []


def test_nobody_but_the_unit_of_work_commits() -> None:
    committing = [
        f"{source.name}:{line}"
        for source in sources(*CODE)
        if source.name != COMMITTER and _imports_sqlalchemy(source)
        for line in _calls(source, {"commit", "rollback"})
    ]
    assert committing == []


def test_nobody_runs_a_script_that_commits_behind_our_back() -> None:
    scripts = [
        f"{source.name}:{line}" for source in sources(*CODE) for line in _calls(source, {"executescript"})
    ]
    assert scripts == []


def test_nothing_is_evaluated_from_text() -> None:
    evaluating = [
        f"{source.name}:{node.lineno}"
        for source in sources(*CODE)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    assert evaluating == []


def test_no_task_is_started_without_an_owner() -> None:
    """`asyncio.create_task` as a statement drops the task: its error and its end are nobody's."""
    dropped = [
        f"{source.name}:{node.lineno}"
        for source in sources("shared", "services")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Expr) and _is_create_task(node.value)
    ]
    assert dropped == []


def _is_create_task(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner = ast.unparse(node.func.value)
    return node.func.attr in {"create_task", "ensure_future"} and owner in {"asyncio", "loop"}


def _imports_sqlalchemy(source: Source) -> bool:
    """SQLite and asyncpg targets have transactions of their own; the rule is about our databases."""
    reached = {found.module for found in imports_of(source)}
    return any(module.startswith(("sqlalchemy", "shared.db")) for module in reached)


def _calls(source: Source, methods: set[str]) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods
    ]
