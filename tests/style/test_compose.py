"""What docker-compose.yml promises about every container, read from the file."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from deploy.init.__main__ import main as initialise
from deploy.init.answers import Answers
from deploy.init.environment import Environment
from shared.version import VERSION
from tests.style.sources import ROOT

FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "images" / "Dockerfile"
ONE_SHOT = {"migrate"}
PUBLISHING = {"gateway"}
OURS = {"gateway", "system", "meta", "etl", "runner", "migrate"}
PINNED = re.compile(r"[\w./-]+:\d[\w.-]*")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:?\?[^}]*)?[^}]*\}")
SECRET = re.compile(r"PASS|SECRET|KEY|TOKEN|URL")
ADDRESSES = {"PENSTOCK_SYSTEM_URL", "PENSTOCK_META_URL"}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def services(whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = whole["services"]
    return found


def test_no_container_may_do_more_than_it_needs(services: dict[str, dict[str, Any]]) -> None:
    assert services.keys() >= OURS | {"postgres", "rabbitmq"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"] not in {"root", "0", "0:0"}, name
        assert "/tmp:mode=1777" in service["tmpfs"][0], name
        assert not service.keys() & {"privileged", "network_mode", "pid", "ipc", "devices"}, name


def test_every_container_is_bounded_and_watched(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["stop_grace_period"], name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name
        assert ("test" in service["healthcheck"]) == (name not in ONE_SHOT), name
        assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped"), name


def test_only_the_gateway_can_be_reached_from_outside(
    services: dict[str, dict[str, Any]], whole: dict[str, Any]
) -> None:
    assert {name for name, service in services.items() if "ports" in service} == PUBLISHING
    inner = {name for name, network in whole["networks"].items() if network.get("internal")}
    assert {"edge", "data"} <= inner
    assert {name for name, service in services.items() if "public" in service["networks"]} == PUBLISHING
    for store in ("postgres", "rabbitmq", "migrate"):
        assert services[store]["networks"] == ["data"], store
    assert "data" not in services["gateway"]["networks"]


def test_images_are_pinned_and_ours_have_the_version_of_the_code(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert PINNED.fullmatch(service["image"]), name
        if name in OURS:
            assert service["image"].endswith(f":{VERSION}"), name
    bases = re.findall(r"^ARG \w+=(\S+)$", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert bases
    assert all(PINNED.fullmatch(base) for base in bases)
    built = {service["image"] for service in services.values() if "build" in service}
    assert {services[name]["image"] for name in OURS} == built


def test_a_secret_is_a_file_and_never_a_variable(
    services: dict[str, dict[str, Any]], whole: dict[str, Any]
) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) and variable not in ADDRESSES:
                assert variable.endswith("_FILE"), (name, variable)
                assert value.startswith("/run/"), (name, variable)
            assert "://" not in value or "@" not in value, (name, variable)
        wanted = {
            value.removeprefix("/run/secrets/")
            for value in service.get("environment", {}).values()
            if value.startswith("/run/secrets/")
        }
        assert wanted == set(service.get("secrets", [])), name
    assert all("file" in secret for secret in whole["secrets"].values())


def test_every_variable_must_be_set_and_is_written_by_make_init(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env_file = tmp_path / ".env"
    initialise(["--folder", str(tmp_path / "made"), "--env-file", str(env_file)], answers=Answers({}))
    assert capsys.readouterr().out
    variables = VARIABLE.findall(FILE.read_text(encoding="utf-8"))
    assert len(variables) > 10
    assert {name for name, demand in variables if "run make init" not in demand} == set()
    assert {name for name, _ in variables} <= Environment(env_file).values().keys()


def test_every_file_of_make_init_that_is_mounted_is_written_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "made"
    initialise(["--folder", str(folder), "--env-file", str(tmp_path / ".env")], answers=Answers({}))
    assert capsys.readouterr().out
    mounted = re.findall(r"PENSTOCK_FOLDER:\?run make init\}/([\w./-]+)", FILE.read_text(encoding="utf-8"))
    assert len(mounted) > 10
    assert [name for name in mounted if not (folder / name).exists()] == []


def test_an_image_gets_the_code_and_nothing_else_of_the_folder() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in rules
    assert not {"!.", "!var", "!.env", "!*", "!deploy"} & set(rules)
