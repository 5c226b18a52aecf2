from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.plugins.describe import PluginDescription

StepKind = Literal["loader", "handler", "destination"]


class HandlerQuery(BaseModel):
    """Which steps to list."""

    model_config = ConfigDict(extra="forbid")

    kind: StepKind | None = None


class Handlers(BaseModel):
    """The steps that pipelines are made of, by kind and name."""

    items: list[PluginDescription]
