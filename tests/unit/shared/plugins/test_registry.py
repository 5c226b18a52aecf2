"""A plug-in is one file: found, described, and loud when it is broken and ours."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.plugins import registry
from shared.plugins.registry import PluginBroken, PluginUnknown, discover

BASE = """
    from abc import ABC, abstractmethod

    class Step(ABC):
        kind = "step"
        name: str

        @abstractmethod
        def apply(self): ...
"""
CAST = """
    from {package}.base import Step

    class Cast(Step):
        "Change types."
        name = "cast"

        def apply(self): ...
"""
Build = Callable[..., ModuleType]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """Make a package of these files and import it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"steps_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")

    def make(**files: str) -> ModuleType:
        folder = tmp_path / name
        folder.mkdir()
        for file, text in {"__init__": "", "base": BASE, **files}.items():
            source = textwrap.dedent(text).replace("{package}", name)
            (folder / f"{file}.py").write_text(source)
        return __import__(f"{name}.base")

    yield make
    for module in set(sys.modules) - before:
        del sys.modules[module]


def found(package: Any, **options: str) -> registry.Registry[Any]:
    return discover(package, package.base.Step, **options)


def test_a_file_with_a_class_is_a_plugin(build: Build) -> None:
    steps = found(build(cast=CAST, aaa=CAST.replace("cast", "trim").replace("Cast", "Trim")))
    assert list(steps) == ["cast", "trim"]
    assert steps["cast"].__name__ == "Cast"
    assert (steps.kind, len(steps)) == ("step", 2)


def test_abstract_private_and_imported_classes_are_none(build: Build) -> None:
    other = """
        from {package}.base import Step
        from {package}.cast import Cast

        class Half(Step):
            "Has no apply."
            name = "half"

        class _Hidden(Cast):
            "Is private."
            name = "hidden"
    """
    assert list(found(build(cast=CAST, other=other))) == ["cast"]


def test_modules_with_an_underscore_are_not_imported(build: Build) -> None:
    assert list(found(build(cast=CAST, _draft="raise RuntimeError"))) == ["cast"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('boom')", "can't be imported: boom"),
        ("import nowhere_to_be_found", "can't be imported"),
        ("def (", "can't be imported"),
        (CAST.replace('name = "cast"', ""), "has no name"),
        (CAST.replace('name = "cast"', "name = 7"), "has no name"),
        (CAST.replace('"Change types."', ""), "has no docstring"),
    ],
)
def test_a_broken_plugin_of_ours_is_an_error_that_names_it(build: Build, text: str, reason: str) -> None:
    with pytest.raises(PluginBroken, match=reason) as caught:
        found(build(broken=text))
    assert "broken" in str(caught.value)


def test_two_plugins_of_one_name_are_an_error(build: Build) -> None:
    with pytest.raises(PluginBroken, match=r"again.Cast has the name of .*\.again|cast.Cast has the name of"):
        found(build(cast=CAST, again=CAST))


def test_an_unknown_name_is_an_error_that_names_the_others_and_the_place(build: Build) -> None:
    steps = found(build(cast=CAST))
    assert steps.find("cast") is steps["cast"]
    with pytest.raises(PluginUnknown, match="There is no step named sort; there are: cast") as caught:
        steps.find("sort", loc=("body", "steps", 0, "step"))
    assert caught.value.all_faults()[0].loc == ("body", "steps", 0, "step")


class EntryPoints:
    """The entry points of an imagined installation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points: list[metadata.EntryPoint] = []
        monkeypatch.setattr(metadata, "entry_points", self._in)

    def _in(self, *, group: str) -> list[metadata.EntryPoint]:
        return [point for point in self.points if point.group == group]

    def add(self, name: str, value: str, group: str = "penstock.steps") -> None:
        self.points.append(metadata.EntryPoint(name, value, group))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> EntryPoints:
    return EntryPoints(monkeypatch)


def test_third_parties_join_by_entry_points(build: Build, installed: EntryPoints) -> None:
    package = build(cast=CAST, _theirs=CAST.replace("cast", "theirs").replace("Cast", "Theirs"))
    installed.add("theirs", f"{package.__name__}._theirs:Theirs")
    installed.add("other", "nowhere:Nothing", group="penstock.others")
    assert list(found(package, entry_points="penstock.steps")) == ["cast", "theirs"]
    assert list(found(package)) == ["cast"]


def test_broken_plugins_of_third_parties_are_logged_and_left_out(
    build: Build, installed: EntryPoints, caplog: pytest.LogCaptureFixture
) -> None:
    package = build(cast=CAST, _raises="raise RuntimeError('boom')", _exits="raise SystemExit(1)")
    name = package.__name__
    for value in (
        f"{name}._raises:X",
        "nowhere:X",
        f"{name}.cast:Nothing",
        "json:loads",
        f"{name}.base:Step",
    ):
        installed.add(value, value)
    installed.add("takes a name of ours", f"{name}.cast:Cast")
    installed.add("ends the process", f"{name}._exits:X")
    assert list(found(package, entry_points="penstock.steps")) == ["cast"]
    assert caplog.text.count("plugin_skipped") == 7
