"""Installing servers without starting them."""

import contextlib
from pathlib import Path

import pytest

from deploy.provision import __main__ as provision
from deploy.provision import debian
from deploy.provision.programs import Server

NOT_THERE = Server("Nonesuch", "nonesuch-server", "usr/lib/nonesuch/*/bin", ("nonesuch",))


def test_nothing_is_started_while_packages_are_installed_and_the_rule_goes_afterwards(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with contextlib.suppress(debian.InstallationFailed), debian.nothing_started(policy):
        assert "exit 101" in policy.read_text()
        assert policy.stat().st_mode & 0o111
        raise debian.InstallationFailed
    assert not policy.exists()


def test_an_administrators_own_rule_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    with debian.nothing_started(policy):
        assert "exit 0" in policy.read_text()
    assert policy.exists()


def test_a_rule_that_an_interrupted_installation_left_is_cleared(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text(debian.DENY)
    with debian.nothing_started(policy):
        pass
    assert not policy.exists()


def test_a_server_that_is_missing_and_can_not_be_installed_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(provision, "SERVERS", (NOT_THERE,))
    monkeypatch.setattr(debian, "usable", lambda: False)
    assert provision.main() == provision.EXIT_MISSING
    said = capsys.readouterr().err
    assert "private Nonesuch" in said
    assert "apt-get install nonesuch" in said


def test_a_server_that_is_installed_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(provision, "SERVERS", (Server("Shell", "sh", "bin", ("dash",)),))
    monkeypatch.setattr(debian, "install", lambda _: pytest.fail("nothing is to be installed"))
    assert provision.main() == 0
    assert "Shell: /" in capsys.readouterr().out
