"""Settings: read from the environment, checked at start, reported without their values."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.errors import Terminal

PREFIX = "PENSTOCK_"


S = TypeVar("S", bound="Settings")


def _folder(value: Any) -> Any:
    """An empty variable is one that isn't set; `~` is the home folder, which no shell has expanded."""
    return Path(value or "var").expanduser() if isinstance(value, str) else value


DataFolder = Annotated[Path, BeforeValidator(_folder)]
"""The folder of a service's data, as PENSTOCK_VAR names it."""

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Settings(BaseSettings):
    """The parent of all settings: field `x` is read from PENSTOCK_X, or from the file PENSTOCK_X_FILE."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Files(settings_cls), env_settings


class _Files(PydanticBaseSettingsSource):
    """Values from the files that X_FILE names, with one trailing newline taken off."""

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                values[name] = value
        return values

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - pydantic-settings' signature
        field_name: str,
    ) -> tuple[Any, str, bool]:
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{variable}_FILE")
        if path is None:
            return None, field_name, False
        if variable in os.environ:
            raise self._problem(field_name, f"both {variable} and {variable}_FILE are set: keep one")
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError):
            raise self._problem(field_name, f"the file that {variable}_FILE names can't be read") from None
        return text.removesuffix("\n").removesuffix("\r"), field_name, False

    def _problem(self, field_name: str, message: str) -> ValidationError:
        fault = PydanticCustomError("setting_file", "{message}", {"message": message})
        detail = InitErrorDetails(type=fault, loc=(field_name,), input=None)
        return ValidationError.from_exception_data(self.settings_cls.__name__, [detail], hide_input=True)


class SettingsInvalid(Terminal):
    """These settings are wrong: {problems}."""


def load(settings: type[S], **given: Any) -> S:
    """Read settings; values in `given` come before the environment. Raises `SettingsInvalid`."""
    try:
        return settings(**given)
    except ValidationError as error:
        raise SettingsInvalid(problems=describe_problems(error, settings).replace("\n", "; ")) from None


def describe_problems(error: ValidationError, settings: type[Settings] = Settings) -> str:
    """One line for each setting that is wrong, by the name of its variable and without its value."""
    prefix = settings.model_config.get("env_prefix", PREFIX)
    return "\n".join(
        f"{_variable(prefix, fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_context=False, include_url=False)
    )


def _variable(prefix: str, loc: tuple[int | str, ...]) -> str:
    return f"{prefix}{'.'.join(map(str, loc))}".upper() if loc else "settings"
