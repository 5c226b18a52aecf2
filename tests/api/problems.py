"""What every error of every service has to be."""

import re
from pathlib import Path

from tests.api.documents import Answer

_OUR_FOLDER = re.escape(str(Path(__file__).parents[2]))
_LEAKS = re.compile(
    rf"Traceback|File \"|/site-packages/|SELECT |INSERT |sqlalchemy|asyncpg|{_OUR_FOLDER}|\.py\b"
)


def faults_of(answer: Answer) -> list[str]:
    """What is wrong with an answer as a problem document; nothing for one that is right."""
    if answer.status < 400:
        return [f"status {answer.status} is no error"]
    if answer.status >= 500:
        return [f"status {answer.status}: {answer.text[:200]}"]
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return [f"{answer.headers.get('Content-Type')} is no problem document"]
    return _faults_of_document(answer)


def _faults_of_document(answer: Answer) -> list[str]:
    document = answer.json
    names = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}
    checks = {
        f"members {names - document.keys()} are missing": names <= document.keys(),
        "the two statuses differ": document.get("status") == answer.status,
        "the request id is not that of the header": document.get("request_id")
        == answer.headers.get("X-Request-Id"),
        "there is no sentence": bool(document.get("detail")),
        "the code is no name": bool(re.fullmatch(r"[a-z][a-z0-9_]*", str(document.get("code")))),
        "there is no place": answer.status != 422 or bool(document.get("errors")),
        "it tells what is inside of us": not _LEAKS.search(answer.text),
    }
    return [complaint for complaint, holds in checks.items() if not holds]
