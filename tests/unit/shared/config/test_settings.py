"""Settings come from the environment or from files, and problems are told without their values."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from shared.config.base import DataFolder, Settings, SettingsInvalid, describe_problems, load


class ShopSettings(Settings):
    port: int = 8080
    host: str = "127.0.0.1"
    database_url: SecretStr


class TillSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="PENSTOCK_TILL_")

    number: int


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "HOST", "DATABASE_URL", "DATABASE_URL_FILE", "PORT_FILE", "TILL_NUMBER"):
        monkeypatch.delenv(f"PENSTOCK_{name}", raising=False)


def test_values_come_from_variables_with_our_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "a")
    monkeypatch.setenv("PENSTOCK_PORT", "81")
    monkeypatch.setenv("PENSTOCK_NOBODY_KNOWS", "x")
    monkeypatch.setenv("HOST", "elsewhere")
    settings = load(ShopSettings)
    assert (settings.port, settings.host) == (81, "127.0.0.1")
    assert settings.database_url.get_secret_value() == "a"


def test_values_given_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "81")
    assert load(ShopSettings, port=82, database_url="b").port == 82


@pytest.mark.parametrize(
    ("text", "value"),
    [("s\n", "s"), ("s", "s"), ("s\n\n", "s\n"), (" s \n", " s "), ("s\r\n", "s"), ("", "")],
)
def test_a_file_gives_a_value_less_one_newline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, value: str
) -> None:
    (tmp_path / "url").write_bytes(text.encode())
    monkeypatch.setenv("PENSTOCK_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert load(ShopSettings).database_url.get_secret_value() == value


def test_files_are_read_for_plain_fields_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("83\n")
    monkeypatch.setenv("PENSTOCK_PORT_FILE", str(tmp_path / "port"))
    assert load(ShopSettings, database_url="x").port == 83


def test_a_value_and_a_file_at_once_are_an_error_that_names_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("hidden-1")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "hidden-2")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsInvalid) as caught:
        load(ShopSettings)
    assert "both PENSTOCK_DATABASE_URL and PENSTOCK_DATABASE_URL_FILE are set" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    monkeypatch.setenv("PENSTOCK_DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsInvalid, match="the file that PENSTOCK_DATABASE_URL_FILE names can't be read"):
        load(ShopSettings)


def test_problems_are_told_one_a_line_by_variable_and_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "hidden-port")
    with pytest.raises(ValidationError) as caught:
        ShopSettings()
    told = describe_problems(caught.value, ShopSettings).splitlines()
    assert told[0].startswith("PENSTOCK_PORT: Input should be a valid integer")
    assert told[1] == "PENSTOCK_DATABASE_URL: Field required"
    assert "hidden" not in str(caught.value)


def test_a_prefix_of_its_own_is_told_too() -> None:
    with pytest.raises(SettingsInvalid, match="PENSTOCK_TILL_NUMBER: Field required"):
        load(TillSettings)


def test_settings_do_not_change() -> None:
    settings = load(ShopSettings, database_url="x")
    with pytest.raises(ValidationError):
        settings.port = 9  # type: ignore[misc]  # what is tested


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(load(ShopSettings, database_url="hidden"))


class FolderSettings(Settings):
    var: DataFolder = Path("var")


@pytest.mark.parametrize(
    ("given", "meant"), [("", Path("var")), ("~/x", Path.home() / "x"), ("y", Path("y"))]
)
def test_an_empty_data_folder_is_none_and_a_tilde_is_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, given: str, meant: Path
) -> None:
    monkeypatch.setenv("PENSTOCK_VAR", given)
    assert load(FolderSettings).var == meant
