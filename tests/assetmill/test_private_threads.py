"""A home is made by whoever comes first, and several threads of one process come first together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from assetmill.private import IGNORE, make_home


def test_threads_that_make_a_home_together_all_find_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            home = tmp_path / str(number)
            assert {*pool.map(make_home, [home] * 8)} == {home}
            assert [path.name for path in home.iterdir()] == [IGNORE]
