"""What may not stand in any file: addresses of registries, paths of a machine, unexplained exceptions."""

import re
import tomllib

from shared.version import VERSION
from tests.style.sources import CODE, ROOT, sources, texts

REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted",
    "npm" + "js.",
    "--index" + "-url",
    "--extra-index" + "-url",
    "docker" + ".io/",
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|home|root|Users|opt/pypi)/")
EXCEPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore)")
EXPLAINED = re.compile(
    r"(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[\w, -]+\])[\s(#-]+(?:\w{3,}|\w+\W+\w+)"
)
EMPTY_NAMES = {"utils", "helpers", "manager", "common", "misc", "util", "helper"}


def test_no_file_names_a_package_registry() -> None:
    assert [(name, host) for name, text in texts() for host in REGISTRIES if host in text] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert [(name, found[0]) for name, text in texts() if (found := MACHINE_PATHS.search(text))] == []


def test_requirements_have_hashes_and_no_addresses() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        assert "://" not in text, path.name
        pins = re.findall(r"^[\w.-]+==", text, flags=re.MULTILINE)
        hashed = re.findall(r"^[\w.-]+==[^\n]*\\\n\s+--hash=sha256:", text, flags=re.MULTILINE)
        assert len(pins) == len(hashed) > 0, path.name


def test_every_rule_that_is_switched_off_for_all_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    rules = [*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)]
    silent = [rule for rule in rules if not re.search(rf'"{rule}",\s*# \S+', text)]
    assert silent == []


def test_every_exception_in_the_code_says_why() -> None:
    silent = [
        f"{source.name}:{line}"
        for source in sources(*CODE, "tests", "manage.py")
        for line, comment in source.comments()
        if EXCEPTION.search(comment) and not EXPLAINED.search(comment)
    ]
    assert silent == []


def test_a_file_is_called_what_a_newcomer_would_search_for() -> None:
    named = [source.name for source in sources(*CODE) if set(source.module.split(".")) & EMPTY_NAMES]
    assert named == []


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
