"""What loaders, handlers and destination steps have in common: a name, parameters, a description."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Fault, Invalid, Loc


class ParamsInvalid(Invalid):
    """The parameters of step {step!r} can't be used: {reason}."""


class Step:
    """A step of a pipeline. The class docstring is its description, `Params` the schema of its form.

    `examples` are valid parameters. Discovery takes every subclass with a `name` of its own.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    examples: ClassVar[Sequence[Mapping[str, Any]]] = ()

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    params: Params

    def __init__(self, params: Params) -> None:
        self.params = params

    @classmethod
    def of(cls, params: Mapping[str, Any], *, loc: Loc = ()) -> Self:
        """The step with these parameters; ParamsInvalid names every wrong place below `loc`."""
        try:
            return cls(cls.Params.model_validate(dict(params)))
        except ValidationError as error:
            faults = [
                Fault((*loc, *found["loc"]), found["type"], found["msg"])
                for found in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise ParamsInvalid(
                loc=faults[0].loc, faults=faults, step=cls.name, reason=faults[0].message
            ) from None
