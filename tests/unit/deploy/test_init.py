"""`make init`: what it writes, for whom, and that it never writes over anything."""

import base64
import hashlib
import hmac
import json
import os
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.init import material
from deploy.init.__main__ import main
from deploy.init.answers import Answers
from deploy.init.environment import Environment
from services.system.secrets import keyring
from shared.security.keys import SigningKey

PASSWORD = "correct horse battery"


class Place:
    """An empty place to initialise."""

    def __init__(self, folder: Path) -> None:
        self.env_file = folder / ".env"
        self.folder = folder / "var" / "compose"

    def init(self, answers: Answers | None = None) -> int:
        arguments = ["--folder", str(self.folder), "--env-file", str(self.env_file)]
        return main(arguments, answers=answers or Answers({}))

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8").strip()

    @property
    def settings(self) -> dict[str, str]:
        return Environment(self.env_file).values()

    def contents(self) -> dict[str, str]:
        files = [self.env_file, *(path for path in self.folder.rglob("*") if path.is_file())]
        return {str(path): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_their_owners_alone(place: Place) -> None:
    assert place.init() == 0
    assert mode(place.env_file) == 0o600
    assert mode(place.folder) == mode(place.folder / "secrets") == 0o700
    assert {mode(path) for path in (place.folder / "secrets").iterdir()} == {0o600}
    assert len({path.read_text() for path in (place.folder / "secrets").iterdir()}) == 9


def test_files_belong_to_whom_the_containers_run_as_who_is_never_root(place: Place) -> None:
    place.init()
    uid = int(place.settings["PENSTOCK_UID"])
    assert uid != 0
    assert {path.stat().st_uid for path in place.folder.rglob("*")} == {uid}
    assert os.geteuid() in {0, uid}


def test_a_second_time_changes_nothing_and_adds_what_is_missing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.init()
    before = place.contents()
    missing = place.folder / "rabbitmq" / "definitions.json"
    missing.unlink()
    place.env_file.write_text(place.env_file.read_text().replace("PENSTOCK_PUBLISH=127.0.0.1:8080\n", ""))
    capsys.readouterr()
    assert place.init(Answers({"PUBLISH": "0.0.0.0:80", "SOURCE_NETWORKS": "10.0.0.0/8"})) == 0
    after = place.contents()
    assert {name for name in after if after[name] != before[name]} == {str(missing), str(place.env_file)}
    assert place.settings["PENSTOCK_PUBLISH"] == "0.0.0.0:80"
    assert place.settings["PENSTOCK_OUTBOUND_ALLOWED_NETWORKS"] == ""
    printed = capsys.readouterr().out
    assert "1 settings written, 6 kept" in printed
    assert "1 files written, 11 kept" in printed


def test_nothing_that_is_printed_is_secret(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.init()
    printed = "".join(capsys.readouterr())
    for path in (place.folder / "secrets").iterdir():
        assert path.read_text().strip() not in printed, path.name


def test_the_keys_are_those_that_system_reads(place: Place) -> None:
    place.init()
    assert len(keyring.parse(place.text("secrets/master-keys")).keys) == 1
    signing = SigningKey.from_pem(place.text("secrets/signing-key"))
    assert signing.kid != SigningKey.from_pem(material.signing_key()).kid


def test_the_given_password_becomes_the_administrators(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text(f"{PASSWORD}\n")
    assert place.init(Answers({"ADMIN_PASSWORD_FILE": str(file)})) == 0
    assert place.text("secrets/admin-password") == PASSWORD


@pytest.mark.parametrize(("typed", "kept"), [(PASSWORD, True), ("", False)])
def test_at_a_terminal_the_password_and_the_networks_are_asked(
    place: Place, *, typed: str, kept: bool
) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return " 10.1.0.0/16, 192.168.0.0/24 "

    assert place.init(Answers({}, ask, lambda _: typed)) == 0
    assert place.settings["PENSTOCK_OUTBOUND_ALLOWED_NETWORKS"] == "10.1.0.0/16,192.168.0.0/24"
    assert (place.text("secrets/admin-password") == PASSWORD) is kept
    assert len(place.text("secrets/admin-password")) >= 12
    assert place.init(Answers({}, ask, lambda _: "another password")) == 0
    assert len(asked) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"SOURCE_NETWORKS": "10.0.0.1/8"},
        {"SOURCE_NETWORKS": "everything"},
        {"PUBLISH": "8080"},
        {"PUBLISH": "localhost:8080"},
        {"PUBLISH": "127.0.0.1:0"},
        {"PUBLISH": "127.0.0.1:99999"},
        {"EDGE_SUBNET": "10.0.0.300/24"},
        {"ADMIN_PASSWORD_FILE": "/nowhere/at/all"},
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_before_anything_is_written(
    place: Place, given: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.init(Answers(given)) == 2
    assert not place.env_file.exists()
    assert not place.folder.exists()
    assert capsys.readouterr().err.startswith("Nothing is written: ")


def test_a_short_password_is_refused_without_being_shown(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.init(Answers({}, None, lambda _: "hunter2")) == 2
    assert "hunter2" not in "".join(capsys.readouterr())


def test_postgresql_gets_verifiers_in_place_of_passwords(place: Place) -> None:
    place.init()
    roles = place.text("postgres/roles.sql")
    for name in ("system", "meta", "etl"):
        url = urlsplit(place.text(f"secrets/{name}-database-url"))
        assert (url.username, url.path) == (f"penstock_{name}", f"/penstock_{name}")
        assert url.password
        assert url.password not in roles
        (verifier,) = re.findall(rf"ROLE penstock_{name} LOGIN PASSWORD '([^']+)'", roles)
        assert proves(verifier, url.password)
        assert not proves(verifier, url.password + "x")
        assert f"REVOKE ALL ON DATABASE penstock_{name} FROM PUBLIC" in roles
    assert roles.endswith("ALTER ROLE CURRENT_USER PASSWORD NULL;")


def proves(verifier: str, password: str) -> bool:
    """RFC 5802, section 3, from the verifier's own salt and iterations."""
    _, parameters, keys = verifier.split("$")
    iterations, salt = parameters.split(":")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return (hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")) == (stored, server)


def test_rabbitmq_gets_one_user_with_a_hash(place: Place) -> None:
    place.init()
    definitions = json.loads(place.text("rabbitmq/definitions.json"))
    url = urlsplit(place.text("secrets/bus-url"))
    assert url.password
    (user,) = definitions["users"]
    hashed = base64.b64decode(user["password_hash"])
    assert (user["name"], user["tags"]) == (url.username, [])
    assert hashed[4:] == hashlib.sha256(hashed[:4] + url.password.encode()).digest()
    assert [one["user"] for one in definitions["permissions"]] == [url.username]


def test_an_operators_own_lines_stay_as_they_are(place: Place) -> None:
    place.env_file.write_text("# ours\nPENSTOCK_PUBLISH=0.0.0.0:443\nOTHER=1")
    place.init()
    assert place.env_file.read_text().startswith("# ours\nPENSTOCK_PUBLISH=0.0.0.0:443\nOTHER=1\n")
    assert place.settings["PENSTOCK_PUBLISH"] == "0.0.0.0:443"


@pytest.mark.parametrize("name", ["master-keys", "meta-database-url", "bus-url"])
@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_secret_that_the_data_were_made_with_is_never_made_a_second_time(
    place: Place, name: str, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.init()
    secret = place.folder / "secrets" / name
    secret.write_text("")
    if state == "missing":
        secret.unlink()
    before = place.contents()
    assert place.init() == 2
    assert place.contents() == before
    said = capsys.readouterr().err
    assert said.startswith(f"secrets/{name} in {place.folder}: {state}. Restore it from your backup")


def test_a_secret_that_only_the_services_share_is_made_again(place: Place) -> None:
    place.init()
    (place.folder / "secrets" / "client-meta").unlink()
    assert place.init() == 0
    assert place.text("secrets/client-meta")


def test_files_get_their_mode_and_owner_back_as_after_a_restore(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.init()
    secret, roles = place.folder / "secrets" / "master-keys", place.folder / "postgres" / "roles.sql"
    owner, content = secret.stat().st_uid, secret.read_text()
    secret.chmod(0o644)
    roles.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(secret, 0, 0)
    assert place.init() == 0
    assert (mode(secret), mode(roles), secret.stat().st_uid) == (0o600, 0o644, owner)
    assert secret.read_text() == content
    assert "2 files given back to their owner" in capsys.readouterr().out


def test_a_certificate_is_given_to_whom_the_gateway_runs_as(place: Place) -> None:
    place.init()
    key = place.folder / "tls" / "tls.key"
    key.write_text("of the operator")
    key.chmod(0o644)
    assert place.init() == 0
    assert (mode(key), key.stat().st_uid) == (0o600, int(place.settings["PENSTOCK_UID"]))
    assert key.read_text() == "of the operator"


def test_the_owner_of_the_folder_is_known_without_the_lines_that_name_him(place: Place) -> None:
    place.init()
    if os.geteuid() == 0:
        for path in (place.folder, *place.folder.rglob("*")):
            os.chown(path, 4711, 4712)
    uid = place.folder.stat().st_uid
    place.env_file.write_text("PENSTOCK_UID=\n")
    assert place.init() == 0
    assert place.settings["PENSTOCK_UID"] == str(uid)


def test_a_line_without_a_value_is_missing_unless_it_may_be_empty(place: Place) -> None:
    place.init()
    text = place.env_file.read_text()
    publish = "PENSTOCK_PUBLISH=127.0.0.1:8080"
    place.env_file.write_text(text.replace(publish, "PENSTOCK_PUBLISH="))
    assert place.init() == 0
    assert place.env_file.read_text() == text.replace(publish, "PENSTOCK_PUBLISH=") + f"{publish}\n"


@pytest.mark.parametrize(
    ("line", "value"),
    [("A='b c' # d", "b c"), ('A="b#c"', "b#c"), ("A=b # c", "b"), ("A=b#c", "b#c"), ("A= # c", "")],
)
def test_values_are_read_as_compose_reads_them(place: Place, line: str, value: str) -> None:
    place.env_file.write_text(f"{line}\n")
    assert place.settings == {"A": value}


def test_an_owner_that_is_no_number_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.env_file.write_text("PENSTOCK_UID=me\nPENSTOCK_GID=1\n")
    assert place.init() == 2
    assert "PENSTOCK_UID and PENSTOCK_GID are numbers, and not me, 1" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.env_file.mkdir()
    assert place.init() == 2
    assert capsys.readouterr().err == f"{place.env_file} can't be used: Is a directory.\n"
