"""What can go wrong when another Penstock service is called."""

from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from shared.contracts.problem import Problem
from shared.errors import PenstockError, Terminal, Transient, Unavailable

_MAX_TEXT: Final = 500


class RemoteProblem(PenstockError):
    """Another service answered: {detail} ({remote_code}, status {status})."""

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.facts["status"])

    @property
    def remote_code(self) -> str:
        """The code of the problem, as the other service named it."""
        return str(self.facts["remote_code"])

    @property
    def detail(self) -> str:
        return str(self.facts["detail"])


class RemoteRefusal(RemoteProblem, Terminal):
    """Another service refused: {detail} ({remote_code}, status {status})."""


class RemoteTrouble(RemoteProblem, Transient):
    """Another service has trouble: {detail} ({remote_code}, status {status})."""


class ServiceUnreachable(Unavailable):
    """The service {what} can't be reached right now."""


class AnswerNotUnderstood(Terminal):
    """The service {what} gave an answer that can't be read."""


def problem_of(status: int, answer: bytes) -> RemoteProblem:
    """The error for an answer that is not a success, whether or not it is a problem document."""
    trouble = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    kind = RemoteTrouble if trouble else RemoteRefusal
    try:
        found = Problem.model_validate_json(answer)
    except ValidationError:
        return kind(status=status, remote_code="no_problem_document", detail=f"status {status}")
    detail = found.detail[:_MAX_TEXT].rstrip(".")
    return kind(status=status, remote_code=found.code[:_MAX_TEXT], detail=detail)


def worth_another_try(error: Exception) -> bool:
    """Whether the same call may succeed in a moment."""
    if isinstance(error, RemoteTrouble):
        return error.status != HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, ServiceUnreachable)
