"""A machine whose clock is wrong: Python imports this where a storm puts its folder on PYTHONPATH."""

import os
import time

_time, _time_ns = time.time, time.time_ns
_skew_s = float(os.environ.get("ASSETMILL_STORM_SKEW_S", "0"))


def _skewed() -> float:
    return _time() + _skew_s


def _skewed_ns() -> int:
    return _time_ns() + int(_skew_s * 1e9)


if _skew_s:
    time.time, time.time_ns = _skewed, _skewed_ns
