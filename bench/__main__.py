"""``python -m bench [--quick] [--out DIRECTORY] [SCENARIO …]``: all scenarios when none is named."""

import argparse
import os
import sys
from pathlib import Path

from bench.report import table, write
from bench.scenarios import SCENARIOS, Bench

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run, print the table, write the JSON. 1 when a gate was missed, unless quick: that is too short."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Tidings beside its ceilings."
    )
    parser.add_argument(
        "--quick", action="store_true", help="small and short: shows that it runs, not how fast"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="directory of the JSON (default: bench/results)"
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    bench, load_before = Bench(options.quick), os.getloadavg()[0]
    rows = [row for name in options.scenarios or SCENARIOS for row in SCENARIOS[name](bench)]
    print(table(rows))
    print(write(rows, options.out, ["python", "-m", "bench", *sys.argv[1:]], load_before))
    return 0 if options.quick or all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
