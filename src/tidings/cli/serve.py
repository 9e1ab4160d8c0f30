"""``tidings serve``: the server."""

import gc
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from tidings.cli.options import SettingsCommand, check_flags, refusal, settings_from, settings_options
from tidings.config import ConfigError, Settings
from tidings.errors import TidingsError
from tidings.hosts import is_loopback

TRY = """Try, in another terminal:
  curl '{url}/v1/feed?user_id=lunar-wren-942&limit=3'
  curl '{url}/v1/notifications?user_id=lunar-wren-942&limit=3'
  curl '{url}/v1/top?window=1h&by=object&limit=5'"""
"""Suggested first commands; the user is one of the sample's whose repositories others star and comment on."""

DEV_RISK = (
    "Every client that reaches this port can act for any user. The server refuses requests with a header of a proxy or a "
    "tunnel. It cannot detect one that adds no header, whose clients get access: put no proxy in front."
)
"""The remaining risk of --dev, logged at each start."""
DEV_NETWORK_RISK = (
    "It listens beyond loopback for the hosts of dev_hosts. Each client with a private address can name such a host: use "
    "this only in a network without strangers, and publish the port on 127.0.0.1 only."
)
"""The risk of --dev with dev_hosts on another address than loopback, logged too."""


@click.command("serve", cls=SettingsCommand, short_help="Run the server.")
@click.option("--sample", is_flag=True, help="With --dev: load sample data into an empty store.")
@settings_options
def command(config: Path | None, sample: bool, **flags: Any) -> None:
    """Run the server until it is told to stop (Ctrl-C or SIGTERM).

    Every flag is also a variable (TIDINGS_MAX_EVENT_BYTES) and a key of tidings.toml (max_event_bytes).
    Secrets are taken from the environment or the file only.

    \b
    Examples:
      tidings serve --dev                          no credentials, loopback only, for development
      tidings serve --dev --sample                 the same, with sample data
      TIDINGS_API_KEYS=… tidings serve --host 0.0.0.0 --store sqlite:////var/lib/tidings/tidings.db
    """
    settings = settings_from(flags, config)
    check_flags(settings, flags)
    if sample and not settings.dev:
        raise click.UsageError("--sample is for --dev: it would mix old public data with yours")
    serve = _loaded()
    try:
        serve(settings, on_ready=lambda url: _ready(url, settings, sample))
    except ConfigError as error:
        raise refusal(error, flags, config) from None
    except TidingsError as error:
        raise click.ClickException(_running(settings) or str(error)) from None


def _running(settings: Settings) -> str:
    """The advice that the server of this store runs already, at the port that this one needs; "" if it does not."""
    from tidings.cli.doctor import running_server, runs, store_path

    try:
        running = running_server(settings, store_path(settings))
    except ConfigError:
        return ""
    if running is None:
        return ""
    return (
        f"the server of this store runs already, and answers at {running.at}"
        if running.prefixed
        else runs(running)
    )


def _loaded() -> Callable[..., None]:
    """The function that serves. Its dependencies take a while to load, and --help needs none of them.

    No garbage collection walks over what is loaded, now or later: all of it stays until the end, and the walks would take
    a sixth of the time of a start.
    """
    gc.disable()
    from tidings.process import serve

    gc.freeze()
    gc.enable()
    return serve


def _ready(url: str, settings: Settings, sample: bool) -> None:
    mode = " in dev mode: no credentials are required" if settings.dev else ""
    click.echo(f"Tidings {version('tidings')} listens on {url}{mode}")
    if settings.dev:
        click.echo(DEV_RISK, err=True)
    if settings.dev and not is_loopback(settings.host):
        click.echo(DEV_NETWORK_RISK, err=True)
    # The caller is the server's own event loop, which has to serve requests while the sample is loaded.
    if sample:
        threading.Thread(target=_load_sample, args=(url,), name="sample", daemon=True).start()


def _load_sample(url: str) -> None:
    from tidings.cli.sample import (
        load_sample,  # the client uses memory that a server without a sample keeps free
    )

    try:
        load_sample(url)
        click.echo(TRY.format(url=url))
    except click.ClickException as error:
        click.echo(f"The sample was not loaded: {error.message}", err=True)
