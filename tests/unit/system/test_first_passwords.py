from pathlib import Path

import pytest

from services.system import first_passwords
from services.system.first_passwords import PasswordFileUnusable


def test_a_password_is_written_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "var" / "first-passwords.txt"
    one = first_passwords.written(path, "platform administrator", "admin")
    two = first_passwords.written(path, "tenant default", "owner")
    assert first_passwords.written(path, "platform administrator", "admin") == one
    assert path.read_text().splitlines() == [
        f"platform administrator: admin / {one}",
        f"tenant default: owner / {two}",
    ]
    assert one != two


def test_the_file_is_private_and_no_draft_stays_behind(tmp_path: Path) -> None:
    path = tmp_path / "first-passwords.txt"
    first_passwords.written(path, "platform administrator", "admin")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["first-passwords.txt"]


def test_a_given_password_is_taken_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("correct horse battery\n")
    path.chmod(0o600)
    assert first_passwords.given(path, "X") == "correct horse battery"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("CANARY")
    path.chmod(mode)
    with pytest.raises(PasswordFileUnusable, match="0600") as refused:
        first_passwords.given(path, "PENSTOCK_ADMIN_PASSWORD_FILE")
    assert "CANARY" not in str(refused.value)


def test_an_empty_or_missing_password_file_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    for path in (empty, tmp_path / "missing"):
        with pytest.raises(PasswordFileUnusable):
            first_passwords.given(path, "X")


def test_a_password_that_was_replaced_is_taken_out_and_the_last_one_takes_the_file_with_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "first-passwords.txt"
    kept = first_passwords.written(path, "tenant default", "owner")
    first_passwords.written(path, "platform administrator", "admin")
    first_passwords.forget(path, "platform administrator", "admin")
    assert path.read_text() == f"tenant default: owner / {kept}\n"
    first_passwords.forget(path, "tenant default", "owner")
    assert not path.exists()
