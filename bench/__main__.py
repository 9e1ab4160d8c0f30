"""``python -m bench [--quick] [--out DIRECTORY] [SCENARIO …]``: all scenarios when none is named.

``python -m bench readme`` writes the newest results into README.md instead.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.readme import rewrite
from bench.report import Row, table, write
from bench.run import FULL, QUICK, Bench
from bench.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
DATA = ROOT.parent / "shared" / "data"


def main() -> int:
    """Run, print the table, write the JSON. 1 when a scenario failed, or, unless quick, which is too short, a gate was
    missed."""
    options = _options()
    if options.scenarios == ["readme"]:
        rewrite(ROOT / "README.md", options.out)
        return 0
    load_before, (rows, failed) = os.getloadavg()[0], _run(options)
    print(table(rows, judge=not options.quick))
    whole = not (options.quick or options.scenarios or options.without_peers or failed)
    command = ["python", "-m", "bench", *sys.argv[1:]]
    print(write(rows, options.out, command, load_before, complete=whole))
    for name in failed:
        print(f"{name} failed", file=sys.stderr)
    return 1 if failed or not (options.quick or all(row.passed for row in rows)) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Tidings beside its ceilings."
    )
    parser.add_argument(
        "--quick", action="store_true", help="small and short: shows that it runs, not how fast"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="directory of the JSON (default: bench/results)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=DATA,
        help="directory of the Higgs files; without them a likeness is made",
    )
    parser.add_argument(
        "--without-peers", action="store_true", help="leave out other products, though installed"
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}; or readme")
    options = parser.parse_args()
    if options.scenarios != ["readme"] and (unknown := set(options.scenarios) - set(SCENARIOS)):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return options


def _run(options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """The rows, and the scenarios that failed: one that does leaves the others' rows as they are."""
    rows: list[Row] = []
    failed: list[str] = []
    with TemporaryDirectory(prefix="tidings-bench-") as folder:
        sizes = QUICK if options.quick else FULL
        bench = Bench(sizes, Path(folder), options.data, peers=not options.without_peers)
        for name in options.scenarios or SCENARIOS:
            print(f"{name} …", file=sys.stderr)
            try:
                rows += SCENARIOS[name](bench)
            except Exception:
                traceback.print_exc()
                failed.append(name)
    return rows, failed


if __name__ == "__main__":
    sys.exit(main())
