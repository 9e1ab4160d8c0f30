"""The settings table as command-line flags, and the settings that result from all sources."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import click
import msgspec

from tidings.config import (
    AREAS,
    CONFIG_ENV,
    FILE_ONLY,
    HELP,
    SECRET,
    ConfigError,
    Settings,
    load,
    located,
    service_links,
)

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_FILE = Path("tidings.toml")
CREDENTIAL_FLAGS = ("jwt_public_key", "jwks", "jwt_issuer", "jwt_audience", "jwt_leeway_s")
"""The flags of credentials and access."""


class SettingError(click.ClickException):
    """A setting is invalid: one line, and the exit code of a wrong command line."""

    exit_code = 2


class SettingsCommand(click.Command):
    """A command with a flag for each setting: its help lists them by area, its own flags with the essential ones."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, area by area."""
        records = {
            parameter.name: parameter.get_help_record(context) for parameter in self.get_params(context)
        }
        areas: dict[str, list[tuple[str, str]]] = {}
        title = ""
        for name in Settings.__struct_fields__:
            title = AREAS.get(name, title)
            areas.setdefault(title, []).extend(filter(None, [records.pop(name, None)]))
        # The rest are flags that are no setting: --config, --help.
        next(iter(areas.values())).extend(filter(None, records.values()))
        for title, flags in areas.items():
            if flags:
                with formatter.section(title):
                    formatter.write_dl(flags)


def settings_options(command: F) -> F:
    """Give a command one flag for each setting that is no table, and ``--config``. Flags not given arrive as None."""
    for field in reversed(msgspec.structs.fields(Settings)):
        if field.name not in FILE_ONLY:
            command = _option(field)(command)
    return config_option(command)


def config_option(command: F) -> F:
    """Give a command ``--config``."""
    config = click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=CONFIG_ENV,
        help="Settings file; ./tidings.toml is read when it exists.",
    )
    return config(command)


def settings_from(flags: dict[str, Any], config: Path | None) -> Settings:
    """Settings from flags over the environment over the file. Raises SettingError that names the invalid one."""
    try:
        settings = load(flags, os.environ, _file(config))
    except ConfigError as error:
        raise SettingError(str(error)) from None
    if links := service_links(os.environ):
        click.echo(
            f"Ignored, since Kubernetes sets them for a Service of this name: {', '.join(links)}", err=True
        )
    return settings


def check_flags(settings: Settings, flags: Mapping[str, Any]) -> None:
    """Refuse flags some of which dev mode would ignore. Raises click.UsageError."""
    given = [name for name in CREDENTIAL_FLAGS if flags.get(name) is not None]
    if settings.dev and given:
        flag = "--" + given[0].replace("_", "-")
        raise click.UsageError(
            f"--dev and {flag} exclude each other: in dev mode no credentials are required"
        )


def refusal(error: ConfigError, flags: dict[str, Any], config: Path | None) -> click.ClickException:
    """The error of a setting that was found at its use, with the source of its value."""
    return SettingError(located(error, flags, os.environ, _file(config)))


def _file(config: Path | None) -> Path | None:
    return DEFAULT_FILE if config is None and DEFAULT_FILE.is_file() else config


def _option(field: msgspec.structs.FieldInfo) -> Callable[[F], F]:
    """The flag of a setting. Its text is converted and checked like that of the other sources, with the same errors."""
    flag = "--" + field.name.replace("_", "-")
    if field.name in SECRET:
        return click.option(flag, hidden=True, expose_value=False, callback=_refuse_secret)
    if field.type is bool:
        return click.option(flag, is_flag=True, default=None, help=HELP[field.name])
    shown = f"  [default: {field.default}]" if field.default != "" else ""
    return click.option(flag, metavar=_metavar(field.type), default=None, help=HELP[field.name] + shown)


def _metavar(kind: Any) -> str:
    """What the help shows for a value: the words of a Literal, or the type beneath Annotated."""
    if get_origin(kind) is Literal:
        return f"[{'|'.join(get_args(kind))}]"
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return _METAVARS[plain]


_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def _refuse_secret(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        name = f"TIDINGS_{(parameter.name or '').upper()}"
        raise click.UsageError(
            f"every user of the machine can read a secret on the command line; put it into {name} instead"
        )
