"""A secret file is made once, whole, and for its owner alone."""

import os
import stat
import threading
from pathlib import Path

import pytest

from shared.config.secrets import read_or_create


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_call_makes_it_and_the_others_read_it(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secrets" / "key"
    assert read_or_create(path, lambda: "first") == "first"
    assert read_or_create(path, lambda: "second") == "first"
    assert list(path.parent.iterdir()) == [path]


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = tmp_path / "var" / "secrets" / "key"
        read_or_create(path, lambda: "x")
    finally:
        os.umask(old)
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)


def test_a_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old\n")
    path.chmod(0o644)
    assert read_or_create(path, lambda: "new") == "old"
    assert mode(path) == 0o600


def test_a_text_of_several_lines_comes_back_as_it_was(tmp_path: Path) -> None:
    text = "-----BEGIN-----\nabc\n-----END-----\n"
    path = tmp_path / "key.pem"
    assert read_or_create(path, lambda: text) == text
    assert read_or_create(path, lambda: "other") == text


def test_all_who_race_get_the_same_whole_secret(tmp_path: Path) -> None:
    path, count = tmp_path / "secrets" / "key", 16
    barrier, found = threading.Barrier(count), list[str]()

    def race(number: int) -> None:
        barrier.wait()
        found.append(read_or_create(path, lambda: f"{number}" * 5000))

    racers = [threading.Thread(target=race, args=(number,)) for number in range(count)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(found) == count
    assert set(found) == {path.read_text().removesuffix("\n")}
    assert list(path.parent.iterdir()) == [path]


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        read_or_create(tmp_path / "key", fail)
    assert list(tmp_path.iterdir()) == []
