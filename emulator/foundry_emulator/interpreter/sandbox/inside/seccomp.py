"""A seccomp filter for what Landlock does not see: sockets, other processes, namespaces, side doors."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from . import linux

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_FILTER_MODE = 2
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Name: number on x86_64, on aarch64; None where the architecture has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_setup": (206, 0),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "seccomp": (317, 277),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    # Memory and queues that outlive the run, or that no limit counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # Reach other processes of the same user, which Landlock does not stop.
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}

# Landlock does not guard modes, owners and times, so a path anywhere would do. Refusing breaks shutil.copy
# and zipfile, which nobody should have to know about: these answer 0 and change nothing.
_EMPTY_SUCCESS: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}

_TRUNCATE = (76, 45)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_PRLIMIT = (302, 261)
# kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo
_SIGNAL_CALLS = ((62, 129), (200, 130), (234, 131), (129, 138), (297, 240))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def is_supported(machine: str | None = None) -> bool:
    """Say whether the system call numbers of this machine are known."""
    return (machine or os.uname().machine) in _MACHINES


def program(machine: str, *, only_signal: int | None, refuse_truncate: bool = False) -> bytes:
    """Return the filter as the kernel reads it.

    `only_signal` is the one process that may be signalled, None to leave signals to Landlock.
    `refuse_truncate` is for a Landlock that does not know that call yet; `ftruncate` stays.
    """
    token, column = _MACHINES[machine]
    out = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, token, 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        out += [_step(_JUMP_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for table, answer in ((_REFUSED, _ERRNO | errno.EPERM), (_EMPTY_SUCCESS, _ERRNO)):
        for numbers in table.values():
            number = numbers[column]
            if number is not None:
                out += [_step(_JUMP_EQUAL, number, 0, 1), _step(_RETURN, answer)]
    if refuse_truncate:
        out += [_step(_JUMP_EQUAL, _TRUNCATE[column], 0, 1), _step(_RETURN, _ERRNO | errno.EPERM)]
    # clone3 takes its flags through a pointer no filter can follow; libc falls back to clone on ENOSYS.
    out += [_step(_JUMP_EQUAL, _CLONE3[column], 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    out += [
        _step(_JUMP_EQUAL, _CLONE[column], 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_LOAD, _NUMBER),
    ]
    out += _only_first_argument(_PRLIMIT[column], 0)
    if only_signal is not None:
        for numbers in _SIGNAL_CALLS:
            out += _only_first_argument(numbers[column], only_signal)
    out.append(_step(_RETURN, _ALLOW))
    return b"".join(out)


def install(*, only_signal: int | None, refuse_truncate: bool) -> None:
    """Put the filter on this process and its children. `no_new_privs` must be set already.

    Raises:
        OSError: the machine is not known or the kernel has no seccomp.
    """
    machine = os.uname().machine
    if not is_supported(machine):
        raise OSError(f"no system call table for {machine}")
    code = program(machine, only_signal=only_signal, refuse_truncate=refuse_truncate)
    holder = _Program(len(code) // 8, code)
    linux.prctl(linux.PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(holder))


def _only_first_argument(number: int, value: int) -> list[bytes]:
    return [
        _step(_JUMP_EQUAL, number, 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_JUMP_EQUAL, value, 1, 0),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_LOAD, _NUMBER),
    ]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
