"""The settings table as command-line flags, and the settings that result from all sources."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import click
import msgspec

from tidings.cli.client import KEY_ENV
from tidings.config import FILE_ONLY, HELP, SECRET, ConfigError, Settings, load

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE = Path("tidings.toml")
CONFIG_ENV = "TIDINGS_CONFIG"


def settings_options(command: F) -> F:
    """Give a command one flag for each setting that is no table, and ``--config``. Flags not given arrive as None."""
    for field in reversed(msgspec.structs.fields(Settings)):
        if field.name not in FILE_ONLY:
            command = _option(field)(command)
    config = click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=CONFIG_ENV,
        help="Settings file; ./tidings.toml is read when it exists.",
    )
    return config(command)


def settings_from(flags: dict[str, Any], config: Path | None) -> Settings:
    """Settings from flags over the environment over the file. Raises click.UsageError naming what is
    wrong."""
    if config is None and DEFAULT_FILE.is_file():
        config = DEFAULT_FILE
    environ = {name: value for name, value in os.environ.items() if name != KEY_ENV}
    try:
        return load(flags, environ, config)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _option(field: msgspec.structs.FieldInfo) -> Callable[[F], F]:
    flag = "--" + field.name.replace("_", "-")
    if field.name in SECRET:
        return click.option(flag, hidden=True, expose_value=False, callback=_refuse_secret)
    if field.type is bool:
        return click.option(flag, is_flag=True, default=None, help=HELP[field.name])
    shown = f"  [default: {field.default}]" if field.default != "" else ""
    return click.option(flag, type=_plain(field.type), default=None, help=HELP[field.name] + shown)


def _plain(kind: Any) -> type | click.Choice[str]:
    """The words of a Literal, or the type beneath Annotated: its bounds are checked by the settings themselves."""
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if not isinstance(plain, type):
        raise TypeError(f"no flag can be made of {kind}")
    return plain


def _refuse_secret(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        name = f"TIDINGS_{(parameter.name or '').upper()}"
        raise click.UsageError(f"a secret on the command line can be read by all; put it into {name} instead")
