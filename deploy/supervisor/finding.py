"""What the doctor says of one thing."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One thing looked at; the hint says what to do when it is not ok."""

    check: str
    verdict: Literal["ok", "warning", "failed"]
    detail: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.verdict:<8} {self.check:<15} {self.detail}{hint}"
