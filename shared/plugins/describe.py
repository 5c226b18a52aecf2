"""A plug-in describes itself: its docstring and its nested `Params` become documents and forms."""

import dataclasses
import inspect
from typing import Any

from pydantic import BaseModel

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}


class PluginDescription(BaseModel):
    """What a person or a program needs to know to use a plug-in."""

    name: str
    kind: str
    title: str
    summary: str
    docs: str
    params_schema: dict[str, Any]
    examples: list[dict[str, Any]]
    capabilities: dict[str, Any]


def describe(plugin: type[Any]) -> PluginDescription:
    """Describe a plug-in.

    The summary is the docstring's first paragraph, the docs are the rest; the schema is JSON Schema 2020-12
    of `Params`, with hints for forms under `x-widget` where a field gives them; examples are the class's
    `examples`, valid values of `Params`; capabilities are a dataclass, a model or a mapping of plain data.
    """
    known = getattr(plugin, "description", None)
    if isinstance(known, PluginDescription):  # of a plug-in whose code is elsewhere
        return known
    summary, _, docs = inspect.cleandoc(plugin.__doc__ or "").partition("\n\n")
    return PluginDescription(
        name=plugin.name,
        kind=getattr(plugin, "kind", ""),
        title=getattr(plugin, "title", None) or plugin.name.replace("_", " ").capitalize(),
        summary=" ".join(summary.split()),
        docs=docs.strip(),
        params_schema=_schema(getattr(plugin, "Params", None)),
        examples=[dict(example) for example in getattr(plugin, "examples", ())],
        capabilities=_capabilities(getattr(plugin, "capabilities", None)),
    )


def _schema(params: type[BaseModel] | None) -> dict[str, Any]:
    if params is None:
        return {"$schema": _DIALECT, "type": "object", "properties": {}, "additionalProperties": False}
    return {"$schema": _DIALECT, **_flat(params.model_json_schema(mode="validation"))}


def _flat(schema: Any) -> Any:
    """The schema with optional fields as those of their type: leaving one out says what null would say."""
    if isinstance(schema, list):
        return [_flat(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    flat = {name: _flat(part) for name, part in schema.items()}
    choices = flat.get("anyOf", ())
    if _NULL not in choices:
        return flat
    kept = [choice for choice in choices if choice != _NULL]
    own = {name: part for name, part in flat.items() if name != "anyOf" and (name, part) != ("default", None)}
    return {**(kept[0] if len(kept) == 1 else {"anyOf": kept}), **own}


def _capabilities(capabilities: Any) -> dict[str, Any]:
    if capabilities is None:
        return {}
    if isinstance(capabilities, BaseModel):
        return capabilities.model_dump(mode="json")
    if dataclasses.is_dataclass(capabilities) and not isinstance(capabilities, type):
        return dataclasses.asdict(capabilities)
    return dict(capabilities)
