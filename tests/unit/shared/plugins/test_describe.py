"""A plug-in's class is its own documentation, form and list of abilities."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from openapi_schema_validator import OAS31Validator
from pydantic import BaseModel, ConfigDict, Field

from shared.plugins.describe import describe


@dataclass(frozen=True)
class Abilities:
    row_wise: bool = True


class Step:
    kind = "handler"


class FillEmpty(Step):
    """Fill what is empty
    with a value.

    Only the named columns are touched.

        deeper lines keep their indent
    """

    name = "fill_empty"
    examples = ({"columns": ["a"], "value": "0"},)
    capabilities = Abilities()

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid")

        columns: list[str] = Field(min_length=1, json_schema_extra={"x-widget": "columns"})
        value: str = Field(description="What to fill with.")
        mode: Literal["empty", "null"] = "null"


class Plain(Step):
    """Do nothing."""

    name = "plain"
    title = "Nothing at all"
    capabilities: Any = None


def test_texts_come_from_the_docstring() -> None:
    found = describe(FillEmpty)
    assert (found.name, found.kind, found.title) == ("fill_empty", "handler", "Fill empty")
    assert found.summary == "Fill what is empty with a value."
    assert found.docs == "Only the named columns are touched.\n\n    deeper lines keep their indent"


def test_the_form_is_a_json_schema_with_hints() -> None:
    schema = describe(FillEmpty).params_schema
    OAS31Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["columns", "value"]
    assert schema["properties"]["columns"]["x-widget"] == "columns"
    assert schema["properties"]["value"]["description"] == "What to fill with."
    assert schema["properties"]["mode"]["default"] == "null"


def test_examples_are_valid_parameters() -> None:
    found = describe(FillEmpty)
    validator = OAS31Validator(found.params_schema)
    assert [validator.is_valid(example) for example in found.examples] == [True]
    assert not validator.is_valid({"columns": []})


@pytest.mark.parametrize("capabilities", [Abilities(), {"row_wise": True}])
def test_capabilities_are_plain_data(monkeypatch: pytest.MonkeyPatch, capabilities: object) -> None:
    monkeypatch.setattr(Plain, "capabilities", capabilities)
    assert describe(Plain).capabilities == {"row_wise": True}


def test_a_plugin_without_parameters_takes_none() -> None:
    found = describe(Plain)
    assert (found.title, found.docs, found.examples, found.capabilities) == ("Nothing at all", "", [], {})
    validator = OAS31Validator(found.params_schema)
    assert validator.is_valid({})
    assert not validator.is_valid({"a": 1})


def test_a_description_is_json() -> None:
    assert describe(FillEmpty).model_dump_json()


class Optional(Step):
    """Take what is given."""

    name = "optional"

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid")

        limit: int | None = Field(default=None, ge=1, description="At most so many.")
        value: int | str | None = None
        inner: list[FillEmpty.Params] | None = None


def test_optional_fields_are_as_flat_as_needed_ones() -> None:
    schema = describe(Optional).params_schema
    OAS31Validator.check_schema(schema)
    fields = schema["properties"]
    assert fields["limit"] == {
        "description": "At most so many.", "minimum": 1, "title": "Limit", "type": "integer",
    }  # fmt: skip
    assert fields["value"] == {"anyOf": [{"type": "integer"}, {"type": "string"}], "title": "Value"}
    assert fields["inner"]["type"] == "array"
