"""Run the benchmarks: `make bench`. One alone: `python -m benchmarks.noop_rerun`; `--long` adds seven."""

from __future__ import annotations

import argparse

from benchmarks import (
    asking,
    batch,
    ceiling_start,
    check_1000,
    cold_start,
    gallery,
    growth,
    local_batch,
    local_stages,
    noop_rerun,
    pacing,
    protocol_cost,
    quota,
    stage_cpu,
    stage_overhead,
)
from benchmarks.bench import headline


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--long",
        action="store_true",
        help="also a batch, pacing, quotas, a gallery and local stages of 10,000, a ceiling of 20,000 lines",
    )
    is_long = parser.parse_args().long
    print(headline())
    short = (cold_start, stage_cpu, stage_overhead, local_stages, noop_rerun)
    short = (*short, check_1000, protocol_cost, growth)
    long = (batch, pacing, quota, asking, gallery, local_batch, ceiling_start)
    for bench in (*short, *long) if is_long else short:
        print()
        bench.main()
    print("\nbeside other orchestrators, each installed for it: python -m benchmarks.peers (12 minutes)")


if __name__ == "__main__":
    main()
