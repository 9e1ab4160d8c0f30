"""What is measured: one module for each question, with one short function from a Bench to its rows."""

from collections.abc import Callable

from bench.report import Row
from bench.run import Bench
from bench.scenarios.arrays import arrays
from bench.scenarios.broadcast import broadcast
from bench.scenarios.delivered import delivered
from bench.scenarios.depth import depth
from bench.scenarios.disk import disk
from bench.scenarios.drain import drain
from bench.scenarios.frozen import frozen
from bench.scenarios.idle import idle
from bench.scenarios.pages import pages
from bench.scenarios.polls import polls
from bench.scenarios.posts import posts
from bench.scenarios.read_all import read_all
from bench.scenarios.restart import restart
from bench.scenarios.targeted import targeted
from bench.scenarios.trends import trends
from bench.scenarios.week import week

SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {
    "posts": posts,
    "arrays": arrays,
    "week": week,
    "pages": pages,
    "depth": depth,
    "polls": polls,
    "trends": trends,
    "disk": disk,
    "read-all": read_all,
    "broadcast": broadcast,
    "targeted": targeted,
    "delivered": delivered,
    "idle": idle,
    "restart": restart,
    "frozen": frozen,
    "drain": drain,
}
"""By the name on the command line."""
