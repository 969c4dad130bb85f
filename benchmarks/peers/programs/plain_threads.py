"""What somebody would write by hand: threads, files, no record of anything."""

from concurrent.futures import ThreadPoolExecutor

from drawing import AT_ONCE, draw, serve


def carry_out(names: list[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(draw, names):
            pass


serve(carry_out)
