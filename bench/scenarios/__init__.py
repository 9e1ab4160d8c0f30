"""What is measured: one module for each question, with one short function from a Bench to its rows."""

from collections.abc import Callable

from bench.report import Row
from bench.run import Bench
from bench.scenarios.arrays import arrays
from bench.scenarios.depth import depth
from bench.scenarios.disk import disk
from bench.scenarios.pages import pages
from bench.scenarios.polls import polls
from bench.scenarios.posts import posts
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
}
"""By the name on the command line."""
