"""A feature with one operation of every shape."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.errors import Conflict, NotFound, Throttled, VersionOutdated
from shared.http import sse
from shared.http.operation import AUTHENTICATED, PUBLIC, RawBody, operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request
from shared.http.responses import EVENT_STREAM, Accepted, Created
from shared.identifiers import TaskId, uuid7


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ByName(Input):
    kind: Literal["name"]
    name: str


class ByNumber(Input):
    kind: Literal["number"]
    number: int


class NewTask(Input):
    name: str = Field(min_length=1, max_length=50)
    weight: float = 1.0
    count: int = 0
    secret: SecretStr = SecretStr("")
    targets: list[Annotated[ByName | ByNumber, Field(discriminator="kind")]] = []
    options: dict[str, str] = {}


class Login(Input):
    username: str
    password: SecretStr


class TaskQuery(PageQuery):
    state: Literal["draft", "done"] | None = None
    label: list[str] = Field(default=[])
    before: int | None = None


class TaskView(BaseModel):
    id: UUID
    name: str
    version: int = 1
    owner: UUID | None = None


class Size(BaseModel):
    bytes: int


class TaskUnknown(NotFound):
    """There is no task {task}."""


class TaskBusy(Conflict):
    """The task {task} is running."""


class LoginRefused(Conflict):
    """The name or the password is wrong."""

    def problem_members(self) -> dict[str, str]:
        return {"error": "invalid_grant"}

    def problem_headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Basic"}


STATUS_OF = {TaskBusy: 409, LoginRefused: 400}


@dataclass
class Memory:
    """What the operations saw and what they shall do."""

    bodies: list[BaseModel | None] = field(default_factory=list)
    queries: list[BaseModel] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    resumed: list[int | None] = field(default_factory=list)
    events: list[sse.Event | Exception] = field(default_factory=list)
    endless: bool = False
    heartbeat: float = 15.0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False


@operation("GET", "/tasks", query=TaskQuery, returns=Page[TaskView], scopes=["task:read"])
async def list_tasks(request: Request, query: TaskQuery) -> Page[TaskView]:
    """List tasks.

    Newest first.
    """
    request.service(Memory).queries.append(query)
    request.service(Memory).addresses.append(request.client_address)
    return Page(items=[TaskView(id=uuid7(), name="one", owner=request.tenant.tenant_id)])


@operation("POST", "/tasks", body=NewTask, returns=TaskView, scopes=["task:write"], errors=[TaskBusy])
async def create_task(request: Request, body: NewTask) -> Created[TaskView]:
    """Create a task."""
    request.service(Memory).bodies.append(body)
    if request.service(Memory).busy:
        raise TaskBusy(task=body.name)
    view = TaskView(id=uuid7(), name=body.name)
    return Created(view, f"/tasks/{view.id}")


@operation("GET", "/tasks/{task}", returns=TaskView, scopes=["task:read"], errors=[TaskUnknown])
async def get_task(request: Request, task: TaskId) -> TaskView:
    """Get a task."""
    if task.int == 0:
        raise TaskUnknown(task=task)
    return TaskView(id=task, name=f"of {request.principal.subject}", version=3)


@operation("PUT", "/tasks/{task}", body=NewTask, returns=TaskView, scopes=["task:write"], if_match=True)
async def replace_task(request: Request, task: TaskId, body: NewTask) -> TaskView:
    """Replace a task."""
    if request.if_match != 3:
        raise VersionOutdated(current=3, given=request.if_match)
    return TaskView(id=task, name=body.name, version=4)


@operation("DELETE", "/tasks/{task}", scopes=["task:write", "run:write"])
async def delete_task(request: Request, task: TaskId) -> None:
    """Delete a task."""


@operation("POST", "/tasks/{task}/runs", returns=TaskView, scopes=["run:write"], idempotent=True)
async def start_run(request: Request, task: TaskId) -> Accepted[TaskView]:
    """Start a run."""
    request.service(Memory).keys.append(request.idempotency_key)
    return Accepted(TaskView(id=task, name="run"), f"/runs/{task}")


@operation("POST", "/tasks:check", body=NewTask, returns=Size, scopes=["task:read"])
async def check_task(request: Request, body: NewTask | None = None) -> Size:
    """Check a task that may be left out."""
    request.service(Memory).bodies.append(body)
    return Size(bytes=0 if body is None else len(body.name))


@operation("POST", "/files", body=RawBody, returns=Size, scopes=["file:write"])
async def upload(request: Request) -> Size:
    """Upload bytes."""
    return Size(bytes=sum([len(chunk) async for chunk in request.stream(2_000_000)]))


@operation("POST", "/login", body=Login, returns=Size, scopes=PUBLIC, form=True)
async def login(request: Request, body: Login) -> Size:
    """Log in."""
    if body.password.get_secret_value() != "right":
        raise LoginRefused
    return Size(bytes=len(body.username))


@operation("GET", "/me", returns=TaskView, scopes=AUTHENTICATED)
async def me(request: Request) -> TaskView:
    """Tell who calls."""
    return TaskView(id=request.principal.subject, name=request.principal.kind)


@operation("GET", "/numbers/{number}", returns=Size, scopes=AUTHENTICATED)
async def number(request: Request, number: int) -> Size:
    """Repeat a number."""
    return Size(bytes=number)


@operation("GET", "/busy", scopes=AUTHENTICATED)
async def throttled(request: Request) -> None:
    """Refuse for a while."""
    raise Throttled(retry_after=7)


@operation("GET", "/crash", scopes=AUTHENTICATED)
async def crash(request: Request) -> None:
    """Crash."""
    secret = "CANARY-in-a-local"
    raise RuntimeError(f"SELECT CANARY-in-a-message {len(secret)}")


@operation("GET", "/events", returns=EVENT_STREAM, scopes=["run:read"])
async def events(request: Request) -> web.StreamResponse:
    """Stream events."""
    memory = request.service(Memory)
    memory.resumed.append(request.last_event_id)
    return await sse.stream(request, _Source(memory, request.last_event_id or 0), heartbeat=memory.heartbeat)


@operation("GET", "/history", returns=list[TaskView], also=[EVENT_STREAM], scopes=["run:read"])
async def history(request: Request) -> list[TaskView] | web.StreamResponse:
    """Return what happened, at once or as it happens."""
    if request.wants_stream:
        return await sse.stream(request, _Source(request.service(Memory), 0))
    return []


class _Source:
    """Events that only `aclose` closes, and that fail again and again: the hardest kind of iterator."""

    def __init__(self, memory: Memory, after: int) -> None:
        self._memory = memory
        self._left = [one for one in memory.events if isinstance(one, Exception) or one.id > after]

    def __aiter__(self) -> AsyncIterator[sse.Event]:
        return self

    async def __anext__(self) -> sse.Event:
        if not self._left and self._memory.endless:
            await asyncio.Event().wait()
        if not self._left:
            raise StopAsyncIteration
        if isinstance(self._left[0], Exception):
            raise self._left[0]
        return self._left.pop(0)  # type: ignore[return-value]  # the line above took the exceptions

    async def aclose(self) -> None:
        self._memory.closed.set()
