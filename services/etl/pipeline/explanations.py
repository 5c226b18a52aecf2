"""Why a text is no value of a type: a stable code and the end of a sentence. Plain Python, cell by cell."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.json_paths import holds_nul

Explanation = tuple[str, str]
_UNGROUPED: Final = "is not a number with its thousands in groups"
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def explain(value: str, target: ColumnType, form: TextForm) -> Explanation:
    """Say why `value` was refused as a `target`. It was refused: this only finds the best words."""
    if value != value.strip():
        return "surrounding_blanks", "has blanks around it"
    if value == "":
        return "empty", f"is empty and not NULL, which is no {target}"
    if (
        target.is_number
        and form.thousands_sign
        and form.thousands_sign in value
        and not _is_grouped(value, form)
    ):
        return f"not_{'an_integer' if target.is_integer else 'a_number'}", _UNGROUPED
    return _EXPLAIN[target.kind](value, target, form)


def _integer(value: str, target: ColumnType, form: TextForm) -> Explanation:
    if _WHOLE.fullmatch(_plain(value, form)):
        low, high = INTEGER_RANGES[target.kind]
        return "out_of_range", f"is not between {low} and {high}"
    return "not_an_integer", "is not a whole number"


def _decimal(value: str, target: ColumnType, form: TextForm) -> Explanation:
    plain = _plain(value, form)
    if not _DECIMAL.fullmatch(plain):
        return "not_a_number", "is not a number"
    try:
        _, _, exponent = Decimal(plain).normalize().as_tuple()
    except InvalidOperation:
        return "out_of_range", f"has too many digits for {target}"
    scale = target.scale or 0
    if isinstance(exponent, int) and -exponent > scale:
        return "too_precise", f"has more than {scale} digits after the decimal sign"
    return "out_of_range", f"has too many digits for {target}"


def _float(value: str, _target: ColumnType, form: TextForm) -> Explanation:
    if value.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        return "not_finite", "is not a finite number"
    if _DECIMAL.fullmatch(_plain(value, form)):
        return "out_of_range", "is too large"
    return "not_a_number", "is not a number"


def _date(value: str, target: ColumnType, form: TextForm) -> Explanation:
    if form.format:
        return _not_in_format(value, target, form)
    if _parses(date.fromisoformat, value[:10]) and len(value) > 10:  # noqa: PLR2004  YYYY-MM-DD
        return "not_a_date", "is a timestamp, not a date"
    return "not_a_date", "is not a date such as 2013-01-31"


def _time(value: str, target: ColumnType, form: TextForm) -> Explanation:
    if form.format:
        return _not_in_format(value, target, form)
    if _parses(time.fromisoformat, value):
        return "too_precise", "is not a time such as 23:59:59, with at most six more digits and no zone"
    return "not_a_time", "is not a time such as 23:59:59"


def _timestamp(value: str, target: ColumnType, form: TextForm) -> Explanation:
    if form.format:
        return _not_in_format(value, target, form)
    zone = "+01:00" if target.kind == "timestamptz" and not form.timezone else ""
    example = f"2013-01-31 23:59:59{zone}"
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return f"not_a_{target.kind}", f"is not a timestamp such as {example}"
    if target.kind == "timestamptz" and moment.tzinfo is None:
        if form.timezone:
            return _no_moment(form)
        return "zone_missing", "has no time zone"
    if target.kind == "timestamp" and moment.tzinfo is not None:
        return "zone_unexpected", "has a time zone, which a timestamp without one would lose"
    return f"not_a_{target.kind}", f"is not a timestamp such as {example}, with at most six more digits"


def _not_in_format(value: str, target: ColumnType, form: TextForm) -> Explanation:
    if target.kind == "timestamptz" and form.timezone and _parses(_read_by(form.format), value):
        return _no_moment(form)
    return f"not_a_{target.kind}", f"is not a {target.kind} in the format {form.format}"


def _read_by(spelled: str | None) -> Callable[[str], object]:
    return lambda value: datetime.strptime(value, spelled or "")  # noqa: DTZ007  it is not kept


def _no_moment(form: TextForm) -> Explanation:
    return "zone_ambiguous", f"happened twice or never in {form.timezone}"


def _boolean(_value: str, _target: ColumnType, form: TextForm) -> Explanation:
    return "not_a_boolean", f"is none of {', '.join((*form.true_tokens, *form.false_tokens))}"


def _json(value: str, _target: ColumnType, _form: TextForm) -> Explanation:
    if holds_nul(value):
        return "nul_character", "holds a NUL character"
    return "not_json", "is not JSON"


def _uuid(_value: str, _target: ColumnType, _form: TextForm) -> Explanation:
    return "not_a_uuid", "is no UUID"


def _bytes(_value: str, _target: ColumnType, form: TextForm) -> Explanation:
    return "not_bytes", f"is no {'base64' if form.format == 'base64' else 'hexadecimal'}"


def _text(_value: str, target: ColumnType, _form: TextForm) -> Explanation:
    return "not_text", f"is no {target}"


def _is_grouped(value: str, form: TextForm) -> bool:
    sign, point = re.escape(form.thousands_sign), re.escape(form.decimal_sign)
    return re.fullmatch(rf"[+-]?[0-9]{{1,3}}(?:{sign}[0-9]{{3}})*(?:{point}[0-9]*)?", value) is not None


def _plain(value: str, form: TextForm) -> str:
    value = value.replace(form.thousands_sign, "") if form.thousands_sign else value
    if form.decimal_sign == ".":
        return value
    return value.replace(".", "?").replace(form.decimal_sign, ".")


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


_EXPLAIN: Final[Mapping[Kind, Callable[[str, ColumnType, TextForm], Explanation]]] = {
    "text": _text,
    "varchar": _text,
    "boolean": _boolean,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "decimal": _decimal,
    "float32": _float,
    "float64": _float,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamp,
    "json": _json,
    "uuid": _uuid,
    "bytes": _bytes,
}
