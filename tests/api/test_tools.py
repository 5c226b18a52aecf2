"""The tools themselves: they find what is wrong, and nothing in what is right."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from pydantic import BaseModel, ConfigDict

from shared.contracts.identity import TenantScope
from shared.errors import Conflict, NotFound
from shared.http.app import build_app, build_root
from shared.http.operation import operation
from shared.http.request import Request
from shared.http.server import serving
from shared.http.services import Services
from shared.identifiers import TaskId, TenantId, uuid7
from shared.security.tokens import Grant, LocalKeys, SigningKey, TokenVerifier, issue
from tests.api.bad_input import BadInput
from tests.api.documents import Answer, Api
from tests.api.isolation import Matrix
from tests.api.problems import faults_of

READ, WRITE = ["task:read"], ["task:write"]


class TaskUnknown(NotFound):
    """There is no task {task}."""


class TaskForeign(Conflict):
    """The task {task} belongs to somebody else."""


class Rename(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


class Follow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task_id: UUID
    note: str


class View(BaseModel):
    id: UUID


@dataclass
class Tasks:
    rows: dict[UUID, TenantScope] = field(default_factory=dict)

    def get(self, tenant: TenantScope, task: UUID) -> View:
        if self.rows.get(task) != tenant:
            raise TaskUnknown(task=task)
        return View(id=task)


async def get_task(request: Request, task: TaskId) -> View:
    """Get a task."""
    return request.service(Tasks).get(request.tenant, task)


async def rename_task(request: Request, task: TaskId, body: Rename) -> View:
    """Rename a task."""
    return request.service(Tasks).get(request.tenant, task)


async def follow_task(request: Request, body: Follow) -> View:
    """Follow a task."""
    return request.service(Tasks).get(request.tenant, body.task_id)


async def leaky_get_task(request: Request, task: TaskId) -> View:
    """Get a task of anybody."""
    if task not in request.service(Tasks).rows:
        raise TaskUnknown(task=task)
    return View(id=task)


async def telling_get_task(request: Request, task: TaskId) -> View:
    """Get a task, and tell strangers that it exists."""
    tasks = request.service(Tasks)
    if tasks.rows.get(task) not in (None, request.tenant):
        raise TaskForeign(task=task)
    return tasks.get(request.tenant, task)


async def leaky_follow_task(request: Request, body: Follow) -> View:
    """Follow a task of anybody."""
    if body.task_id not in request.service(Tasks).rows:
        raise TaskUnknown(task=body.task_id)
    return View(id=body.task_id)


def feature(*operations: tuple[str, str, list[str], Any, Any]) -> ModuleType:
    module = ModuleType("made")
    for method, path, scopes, body, handler in operations:
        declared = operation(method, path, scopes=scopes, body=body, returns=View)(handler)
        setattr(module, handler.__name__, declared)
    return module


SOUND = feature(
    ("GET", "/tasks/{task}", READ, None, get_task),
    ("PUT", "/tasks/{task}", WRITE, Rename, rename_task),
    ("POST", "/follows", WRITE, Follow, follow_task),
)
LEAKS = {
    "leaky_get_task": feature(("GET", "/tasks/{task}", READ, None, leaky_get_task)),
    "telling_get_task": feature(("GET", "/tasks/{task}", READ, None, telling_get_task)),
    "leaky_follow_task": feature(("POST", "/follows", WRITE, Follow, leaky_follow_task)),
}


@dataclass
class Running:
    api: Api
    owned: dict[str, str]
    stranger: dict[str, str]


@pytest.fixture
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    key, tasks, services = SigningKey.generate(), Tasks(), Services()
    task = uuid7()
    tasks.rows[task] = TenantScope(TenantId(uuid7()))
    services.add(Tasks, tasks)
    app = build_app(
        "made",
        prefix="/api/made/v1",
        features=[request.param],
        services=services,
        verifier=TokenVerifier(LocalKeys(key)),
        version="1",
    )
    grant = Grant(
        subject=uuid7(), kind="user", client_id="c", tenant=TenantId(uuid7()), scopes=READ + WRITE,
        roles=("owner",), session_id="s",
    )  # fmt: skip
    stranger = {"Authorization": f"Bearer {issue(grant, key=key).token}"}
    async with serving(build_root(app)) as (host, port), aiohttp.ClientSession() as http:
        api = await Api.at(http, f"http://{host}:{port}/api/made/v1")
        yield Running(api, {"task": str(task), "task_id": str(task)}, stranger)


@pytest.mark.parametrize("running", [SOUND], indirect=True)
async def test_nothing_is_found_in_a_sound_service(running: Running) -> None:
    matrix = Matrix(running.api, running.owned, running.stranger)
    assert [one.id for one in matrix.by_path()] == ["get_task", "rename_task"]
    assert [(one.id, member) for one, member in matrix.by_body()] == [("follow_task", "task_id")]
    assert await matrix.findings() == []
    assert await BadInput(running.api, running.stranger).findings() == []


@pytest.mark.parametrize(
    ("running", "name"), [(made, name) for name, made in LEAKS.items()], indirect=["running"]
)
async def test_a_leak_is_found(running: Running, name: str) -> None:
    found = await Matrix(running.api, running.owned, running.stranger).findings()
    assert found
    assert all(finding.startswith(name) for finding in found)


@pytest.mark.parametrize("running", [SOUND], indirect=True)
async def test_a_placeholder_without_an_object_is_found(running: Running) -> None:
    assert await Matrix(running.api, {}, running.stranger).findings() == [
        "no object is given for the placeholder task"
    ]


@pytest.mark.parametrize("running", [SOUND], indirect=True)
async def test_an_exempt_operation_is_passed_over(running: Running) -> None:
    exempt = dict.fromkeys(("get_task", "rename_task", "follow_task"), "tested elsewhere")
    assert await Matrix(running.api, {}, running.stranger, exempt=exempt).findings() == []


GOOD = {"type": "t", "title": "T", "status": 404, "instance": "/", "errors": [], "request_id": "r-1"} | {
    "detail": "There is none.",
    "code": "not_found",
}
PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8", "X-Request-Id": "r-1"}


def answer(code_sent: int = 404, headers: Mapping[str, str] = PROBLEM, **changes: Any) -> Answer:
    document = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return Answer(code_sent, headers, json.dumps(document), document)


def test_a_problem_that_is_right_has_no_faults() -> None:
    assert faults_of(answer()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        answer(500, status=500),
        answer(200, status=200),
        answer(headers={"Content-Type": "text/plain"}),
        answer(headers={**PROBLEM, "X-Request-Id": "another"}),
        answer(status=422),
        answer(422, status=422),
        answer(code=...),
        answer(code="Not Found"),
        answer(detail=""),
        answer(detail='File "service.py", line 3'),
        answer(detail="SELECT password FROM users"),
    ],
)
def test_a_problem_that_is_wrong_has_faults(wrong: Answer) -> None:
    assert faults_of(wrong) != []
