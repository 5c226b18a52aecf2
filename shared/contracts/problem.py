"""Problem details (RFC 9457), the one shape of every error that leaves over HTTP."""

from pydantic import BaseModel, ConfigDict, Field


class ProblemFault(BaseModel):
    """One place of the request that is wrong."""

    loc: list[str | int] = Field(
        description="The path to the place, such as body, steps, 2, params, columns."
    )
    code: str
    message: str


class Problem(BaseModel):
    """What went wrong, in words and in a form for programs."""

    model_config = ConfigDict(json_schema_extra={"x-media-type": "application/problem+json"})

    type: str = Field(description="A stable URI reference that names the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="A sentence a person can act on.")
    instance: str = Field(description="The path of the request.")
    code: str = Field(description="The stable name of the problem, for programs.")
    errors: list[ProblemFault] = Field(default_factory=list)
    request_id: str
