"""The smallest request body that an OpenAPI document allows."""

from typing import Any, cast

ID = "0190b5a0-0000-7000-8000-000000000000"
BY_FORMAT = {
    "uuid": ID,
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "password": "a long enough passphrase",
}
Schema = dict[str, Any]


class Examples:
    """Makes values for the schemas of one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def body(self, operation: dict[str, Any]) -> Any:
        """A body for the operation, None when it takes none; bytes for a raw one."""
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            return self.value(content["application/json"]["schema"])
        return b"x" if content else None

    def value(self, schema: Schema) -> Any:
        schema = self._resolved(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("examples"):
            return schema["examples"][0]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(schema[key][0])
        return self._of_type(schema)

    def _of_type(self, schema: Schema) -> Any:
        match schema.get("type"):
            case "object":
                required = schema.get("required", [])
                return {name: self.value(schema["properties"][name]) for name in required}
            case "array":
                return [self.value(schema["items"])] * int(schema.get("minItems", 0))
            case "string":
                text = BY_FORMAT.get(schema.get("format", ""), "example")
                return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return False
        return None

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = cast("Schema", found)
        return schema
