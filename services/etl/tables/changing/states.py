"""The life of a change of a physical table."""

from enum import StrEnum


class ChangeKind(StrEnum):
    """What a change is for. `publish` is the first one of a data table, `apply` each one after that."""

    PUBLISH = "publish"
    APPLY = "apply"
    RECREATE = "recreate"
    ADOPT = "adopt"
    DRAFT = "draft"
    DROP = "drop"
    FORGET = "forget"


class ChangeState(StrEnum):
    """How it stands. `refused`: nothing was changed; `failed`: it ended on its way; `lost`: whoever was at
    it is gone or wasn't heard of for too long, and a look at the target says how far it came.
    """

    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "lost"
