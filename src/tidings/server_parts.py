"""The parts of a server without its store, made of its settings, or the reasons why these settings prevent a start:
``tidings serve`` makes them before it opens a store, ``tidings doctor`` prints the refusals."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from tidings.config import ConfigError, Settings
from tidings.hosts import is_loopback
from tidings.http.auth import Authenticator
from tidings.outbound.channel_registry import ChannelRegistry
from tidings.projections.notification_rendering import check_locale
from tidings.timeutil import Clock

T = TypeVar("T")


class ServerParts(NamedTuple):
    """The parts of a server without its store."""

    authenticator: Authenticator
    channels: ChannelRegistry


class StartRefusal(NamedTuple):
    """The reason why a server does not start. ``area`` is the area of the settings, a word."""

    area: str
    error: ConfigError


def make_parts(settings: Settings, clock: Clock) -> tuple[ServerParts | None, list[StartRefusal]]:
    """The parts that these settings make, or None and every reason why a server would not start."""
    refusals: list[StartRefusal] = []

    def made(area: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ConfigError as error:
            refusals.append(StartRefusal(area, error))
            return None

    made("access", lambda: check_dev(settings))
    authenticator = made("access", lambda: Authenticator(settings, clock))
    channels = made("outside", lambda: ChannelRegistry(settings, clock))
    made("locale", lambda: check_locale(settings.locale))
    if refusals or authenticator is None or channels is None:
        return None, refusals
    return ServerParts(authenticator, channels), []


def check_dev(settings: Settings) -> None:
    """Raises ConfigError for a server that would admit all clients on other machines, unless it names hosts of its own
    network."""
    if settings.dev and not settings.dev_hosts and not is_loopback(settings.host):
        raise ConfigError(
            f"--dev needs no credentials, so it listens on loopback only, not on {settings.host}; in a private network, "
            "such as that of docker compose, dev_hosts names the hosts under which it is reached",
            "host",
        )
