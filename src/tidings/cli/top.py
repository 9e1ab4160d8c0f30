"""``tidings top``: the most frequent keys of the last minutes or hours."""

import time
from typing import Literal, get_args

import click

from tidings.cli.client import ServerUnreachable, connect, key_env_option, url_option
from tidings.client.api import By, Window
from tidings.client.replies import Top, TopItem, TopSeries
from tidings.plain_text import neutral

WATCH_S = 1.0
BAR = 50
"""Characters of the longest bar of a chart, so that a line fits a narrow terminal."""


@click.command("top", short_help="Show the most frequent objects, verbs or actors.")
@url_option
@key_env_option
@click.option(
    "--window",
    type=click.Choice(get_args(Window)),
    default="1h",
    show_default=True,
    help="The window.",
)
@click.option(
    "--by",
    type=click.Choice(get_args(By)),
    default="object",
    show_default=True,
    help="What is counted.",
)
@click.option("--object-type", help="Only events of objects of this type.")
@click.option("--topic", help="Only events of this topic, such as category:politics.")
@click.option("--series", is_flag=True, help="Show the events over the time of the window, in 60 lines.")
@click.option("--key", help="With --series: only events with this key, such as market:42.")
@click.option("--compare", is_flag=True, help="Show how the ranks changed since the window before.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="The maximum number of lines."
)
@click.option("--watch", is_flag=True, help="Repeat every second, until interrupted.")
def command(
    url: str,
    key_env: str,
    window: Window,
    by: By,
    object_type: str | None,
    topic: str | None,
    series: bool,
    key: str | None,
    compare: bool,
    limit: int,
    watch: bool,
) -> None:
    """Count the events of a sliding window and show the most frequent.

    \b
    Examples:
      tidings top                          the objects of the last hour
      tidings top --window 5m --by actor   the most active users of five minutes
      tidings top --topic category:a       those of one topic
      tidings top --series --key market:1  one market over the last hour
      tidings top --watch                  renewed every second
    """
    if key is not None and not series:
        raise click.UsageError("--key needs --series")
    with connect(url, key_env) as client:

        def table() -> str:
            if series:
                return "\n".join(
                    bars(client.top_series(window, by, key, object_type=object_type, topic=topic))
                )
            before: Literal["previous"] | None = "previous" if compare else None
            top = client.top(window, by, limit, object_type=object_type, topic=topic, compare=before)
            return "\n".join(lines(top))

        click.echo(table())
        while watch:
            time.sleep(WATCH_S)
            try:
                renewed = table()
            except ServerUnreachable as lost:
                click.echo(f"{lost.message}; trying again", err=True)
                continue
            click.clear()
            click.echo(renewed)


def lines(top: Top) -> list[str]:
    """The response of ``/v1/top`` as a table."""
    kind = "exact" if top.exact else "approximate"
    when = f"{top.window} to {top.as_of:%H:%M:%S} UTC"
    return [
        f"{top.total:,} events in the {when}, by {top.by} ({kind})",
        *(
            f"{item.count:>9,}  {_change(rank, item)}{neutral(item.key)}"
            for rank, item in enumerate(top.items, 1)
        ),
    ]


def bars(series: TopSeries) -> list[str]:
    """The response of ``/v1/top/series`` as a chart."""
    highest = max(1, *(point.count for point in series.points))
    of = "" if series.key is None else f" of {neutral(series.key)}"
    return [
        f"{series.total:,} events{of} in the {series.window} to {series.as_of:%H:%M:%S} UTC",
        *(
            f"{point.at:%H:%M:%S} {point.count:>9,}  {'#' * round(point.count * BAR / highest)}".rstrip()
            for point in series.points
        ),
    ]


def _change(rank: int, item: TopItem) -> str:
    """How many ranks a key rose or fell since the window before; nothing if it was not compared."""
    if item.previous is None:
        return ""
    rose = None if item.previous.rank is None else item.previous.rank - rank
    return f"{'new' if rose is None else '=' if rose == 0 else f'{rose:+}':>6}  "
