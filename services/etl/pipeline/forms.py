"""How values are spelled in text: signs, tokens, formats. Plain Python."""

from dataclasses import dataclass
from typing import Final

from services.etl.columns import ColumnType
from services.etl.pipeline.date_formats import DateFormat, parse_format

TRUE_TOKENS: Final = ("true", "t", "yes", "y", "1")
FALSE_TOKENS: Final = ("false", "f", "no", "n", "0")


@dataclass(frozen=True, slots=True)
class TextForm:
    """How the values of one column are spelled. Tokens are compared without regard to case."""

    true_tokens: tuple[str, ...] = TRUE_TOKENS
    false_tokens: tuple[str, ...] = FALSE_TOKENS
    decimal_sign: str = "."
    thousands_sign: str = ""
    format: str | None = None
    timezone: str | None = None
    trim: bool = False

    def date_format(self, target: ColumnType) -> DateFormat | None:
        """The declared format of dates and times, if there is one. Raises DateFormatUnknown."""
        if self.format is None or target.kind not in {"date", "time", "timestamp", "timestamptz"}:
            return None
        return parse_format(self.format, target.kind)
