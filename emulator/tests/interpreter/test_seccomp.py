"""The filter's verdicts, read by a small interpreter of its own: also for machines that are not this one."""

from __future__ import annotations

import errno
import struct

import pytest
from foundry_emulator.interpreter.sandbox.inside import seccomp

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
NO_SUCH_CALL = 0x00050000 | errno.ENOSYS
EMPTY_SUCCESS = 0x00050000
KILL = 0x80000000
TOKENS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NAMED = {
    "x86_64": {
        "read": 0,
        "socket": 41,
        "clone": 56,
        "kill": 62,
        "chmod": 90,
        "prlimit64": 302,
        "ptrace": 101,
    },
    "aarch64": {
        "read": 63,
        "socket": 198,
        "clone": 220,
        "kill": 129,
        "chmod": 53,
        "prlimit64": 261,
        "ptrace": 117,
    },
}
CLONE3, IO_URING_SETUP = 435, 425


def verdict(program: bytes, *, token: int, number: int, argument: int = 0) -> int:
    packet = struct.pack("=IIQQ", number, token, 0, argument)
    steps = list(struct.iter_unpack("=HBBI", program))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", packet, operand)
        elif code == 0x06:
            return operand
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += if_true if holds else if_false


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    ("call", "argument", "expected"),
    [
        ("read", 0, ALLOW),
        ("socket", 2, REFUSE),
        ("ptrace", 0, REFUSE),
        ("chmod", 0, EMPTY_SUCCESS),
        ("clone", 0x003D0F00, ALLOW),
        ("clone", 0x10000011, REFUSE),
        ("clone", 0x00020011, REFUSE),
        ("prlimit64", 0, ALLOW),
        ("prlimit64", 1234, REFUSE),
        ("kill", 77, ALLOW),
        ("kill", 78, REFUSE),
        ("kill", 0xFFFFFFFF, REFUSE),
    ],
)
def test_verdict_by_call_and_argument(machine: str, call: str, argument: int, expected: int) -> None:
    program = seccomp.program(machine, only_signal=77)
    number = NAMED[machine][call]
    assert verdict(program, token=TOKENS[machine], number=number, argument=argument) == expected


def test_signals_are_left_to_landlock_where_it_can(machine: str) -> None:
    program = seccomp.program(machine, only_signal=None)
    assert verdict(program, token=TOKENS[machine], number=NAMED[machine]["kill"], argument=78) == ALLOW


def test_calls_that_no_filter_can_read_do_not_exist(machine: str) -> None:
    program = seccomp.program(machine, only_signal=None)
    assert verdict(program, token=TOKENS[machine], number=CLONE3) == NO_SUCH_CALL
    assert verdict(program, token=TOKENS[machine], number=IO_URING_SETUP) == REFUSE


def test_calls_in_another_architectures_numbering_kill(machine: str) -> None:
    assert verdict(seccomp.program(machine, only_signal=None), token=0x40000003, number=1) == KILL


def test_x32_numbering_is_refused() -> None:
    program = seccomp.program("x86_64", only_signal=None)
    assert verdict(program, token=TOKENS["x86_64"], number=0x40000000 | 41) == NO_SUCH_CALL


def test_filter_fits_the_kernels_limit(machine: str) -> None:
    assert len(seccomp.program(machine, only_signal=1)) // 8 < 4096


def test_unknown_machine_is_not_guessed() -> None:
    assert not seccomp.is_supported("riscv64")
