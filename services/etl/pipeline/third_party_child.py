"""The child process that knows third-party handlers: `python -m ...third_party_child PARENT_PID`.

Questions and answers are lines of JSON on its standard input and output; it ends with its input. Whatever
the handlers' own code does, it does it here.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from services.etl.columns import Column, Columns
from services.etl.handlers._base import HandlerStep
from services.etl.pipeline.registry import own_steps, steps
from services.etl.runner.child import die_with
from shared.errors import PenstockError
from shared.plugins.describe import describe


def main() -> None:
    """Answer questions until there are no more."""
    die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with os.fdopen(os.dup(0), "r") as questions, os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a handler prints must not get between the answers
        for line in questions:
            print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    theirs = {name: kind for name, kind in steps().handlers.items() if name not in own_steps().handlers}
    if question.get("ask") == "describe":
        return {"descriptions": [found for kind in theirs.values() for found in _described(kind)]}
    if question.get("ask") == "check":
        return _checked(theirs[question["name"]], question)
    return {}


def _described(kind: type[HandlerStep]) -> list[dict[str, Any]]:
    try:
        return [describe(kind).model_dump(mode="json")]
    except Exception as error:  # noqa: BLE001  whatever a third party's code raises
        print(f"the handler {kind.name} can't be described: {type(error).__name__}", file=sys.stderr)  # noqa: T201  to the log of the parent
        return []


def _checked(kind: type[HandlerStep], question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        handler = kind.of(question["params"])
        answer: dict[str, Any] = {
            "lookups": {name: source.model_dump(mode="json") for name, source in handler.lookups().items()}
        }
        if "columns" in question:
            handler.looked_up = {
                name: _columns(found) for name, found in question.get("looked_up", {}).items()
            }
            after = handler.columns_out(_columns(question["columns"]))
            answer["columns"] = [column.model_dump(mode="json") for column in after]
    except PenstockError as error:
        faults = [
            {"loc": list(fault.loc), "code": fault.code, "message": fault.message}
            for fault in error.all_faults()
        ]
        return {"refused": str(error).rstrip("."), "faults": faults}
    except Exception as error:  # noqa: BLE001  as above
        return {"refused": f"its own code fails with {type(error).__name__}", "faults": []}
    return answer


def _columns(plain: list[dict[str, Any]]) -> Columns:
    return Columns(Column.model_validate(column) for column in plain)


if __name__ == "__main__":
    main()
