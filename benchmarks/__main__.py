"""Run every benchmark: `make bench`. One alone: `python -m benchmarks.noop_rerun`."""

from __future__ import annotations

from benchmarks import check_1000, cold_start, noop_rerun, stage_overhead
from benchmarks.bench import headline


def main() -> None:
    print(headline())
    for bench in (cold_start, stage_overhead, noop_rerun, check_1000):
        print()
        bench.main()


if __name__ == "__main__":
    main()
