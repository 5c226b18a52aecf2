"""The container engine and its compose, in whichever form this machine has them."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_LABEL: Final = "com.docker.compose"


class EngineMissing(Exception):
    """There is no container engine, or no compose; the text says what to do."""


class ComposeFailed(Exception):
    """A command of the engine failed, after it has said why."""


@dataclass(frozen=True)
class Container:
    """One container of the project, as it is at the moment."""

    id: str
    name: str
    service: str
    image: str
    status: str
    health: str | None
    exit_code: int
    restarts: int = 0

    @property
    def settled(self) -> bool:
        """Healthy, or running where nobody asks for its health, or ended well as a one-shot does."""
        if self.status == "exited":
            return self.exit_code == 0
        return self.status == "running" and self.health in {None, "healthy"}


@dataclass(frozen=True)
class Compose:
    """One project: the program with its options, and the variables that it gets."""

    program: tuple[str, ...]
    project: str
    variables: Mapping[str, str]

    def run(self, *arguments: str) -> None:
        """Run a command whose output is for the terminal; raises ComposeFailed."""
        done = subprocess.run([*self.program, *arguments], cwd=ROOT, env=self.variables, check=False)
        if done.returncode:
            raise ComposeFailed

    def output(self, *arguments: str) -> str:
        """What a command prints; raises ComposeFailed."""
        return _output([*self.program, *arguments], self.variables)

    def containers(self) -> list[Container]:
        """All containers of the project, in order of their names."""
        label = f"label={_LABEL}.project={self.project}"
        ids = _output(["docker", "ps", "--all", "--quiet", "--filter", label], self.variables).split()
        if not ids:
            return []
        inspected = json.loads(_output(["docker", "inspect", *ids], self.variables))
        return sorted((_container(one) for one in inspected), key=lambda one: one.name)

    def docker(self, *arguments: str) -> str:
        """What a command of the engine itself prints; raises ComposeFailed."""
        return _output(["docker", *arguments], self.variables)


def opened(
    variables: Mapping[str, str], *, project: str, options: Sequence[str] = (), wanted: str = "docker compose"
) -> Compose:
    """The project on this machine's engine; raises EngineMissing. `wanted` is the form that goes first."""
    if shutil.which("docker") is None:
        raise EngineMissing("There is no container engine here: Docker with compose is needed.")
    if _code(["docker", "version", "--format", "{{.Server.Version}}"], variables):
        raise EngineMissing("The container engine doesn't answer: `docker version` says why.")
    forms = [("docker", "compose"), ("docker-compose",)]
    for form in sorted(forms, key=lambda form: " ".join(form) != wanted):
        if shutil.which(form[0]) and _code([*form, "version"], variables) == 0:
            return Compose((*form, *options), project, variables)
    raise EngineMissing("The container engine has no compose: install its compose plug-in or docker-compose.")


def _code(command: Sequence[str], variables: Mapping[str, str]) -> int:
    return subprocess.run(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode


def _output(command: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ComposeFailed
    return done.stdout


def _container(inspected: Mapping[str, Any]) -> Container:
    state, labels = inspected["State"], inspected["Config"]["Labels"]
    return Container(
        id=inspected["Id"],
        name=inspected["Name"].removeprefix("/"),
        service=labels[f"{_LABEL}.service"],
        image=inspected["Config"]["Image"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status"),
        exit_code=state["ExitCode"],
        restarts=inspected["RestartCount"],
    )
