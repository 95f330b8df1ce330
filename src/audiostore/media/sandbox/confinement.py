"""Takes away from this process whatever looking at a file does not need.

Everywhere: memory, descriptors, what it may write, processes, core dumps. On Linux also privileges
and, by a seccomp filter, all system calls but those for memory, for reading what it was sent and
for the response: it can open no file, connect to nothing, execute, fork, trace or signal nothing.
The filter needs a kernel that has it (Linux 3.5) and a 64-bit x86 or ARM machine; elsewhere only
the rest holds.
"""

import os
import resource
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from typing import Final, NamedTuple

# linux/prctl.h, linux/seccomp.h, linux/filter.h (classic BPF), linux/audit.h
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER: Final = 2
_KILL_PROCESS, _ERROR, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
_EPERM: Final = 1
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_INSTRUCTION = struct.Struct("=HBBI")
# linux/capability.h: version 3, this process; effective, permitted and inheritable, 64 bits each
_CAPABILITIES_OF_THIS_PROCESS = struct.pack("=Ii", 0x2008_0522, 0)
_NO_CAPABILITIES = bytes(24)


class _Condition(NamedTuple):
    """What an argument of a system call must be; its lower 32 bits, on little-endian machines."""

    argument: int
    test: int
    value: int
    holds: bool


_PROT_EXEC, _F_SETFL, _ITIMER_PROF, _RLIMIT_AS = 4, 4, 2, 9
_NO_CODE = (_Condition(2, _IF_ANY_BIT, _PROT_EXEC, holds=False),)
_CONDITIONS = {
    "mmap": _NO_CODE,
    "mprotect": _NO_CODE,
    "fcntl": (_Condition(1, _IF_EQUAL, _F_SETFL, holds=True),),
    "setitimer": (_Condition(0, _IF_EQUAL, _ITIMER_PROF, holds=True),),
    "prlimit64": (
        _Condition(0, _IF_EQUAL, 0, holds=True),  # this process
        _Condition(1, _IF_EQUAL, _RLIMIT_AS, holds=True),
    ),
}
# Name: number on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl), on ARM64 (asm-generic/unistd.h).
_CALLS = {
    # memory
    "brk": (12, 214),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "prlimit64": (302, 261),
    # what it was sent, and its response
    "close": (3, 57),
    "fcntl": (72, 25),
    "getsockname": (51, 204),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "read": (0, 63),
    "recvmsg": (47, 212),
    "sendto": (44, 206),
    # time, locks, the end
    "clock_gettime": (228, 113),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "futex": (202, 98),
    "getrandom": (318, 278),
    "gettimeofday": (96, 169),
    "restart_syscall": (219, 128),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "setitimer": (38, 103),
}
_MACHINES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}
"""The kernel's number of the architecture, and the column of `_CALLS`."""


class AddressSpace:
    """How much memory this process may have, beyond what it had when this was made."""

    def __init__(self, most_bytes: int) -> None:
        """Allow no more than `most_bytes`, for good."""
        self._base = self._most = 0
        with suppress(OSError, ValueError):  # macOS has neither /proc nor a limit that holds
            with FileIO("/proc/self/statm") as statm:
                base = int(statm.read().split()[0]) * resource.getpagesize()
            self._most = base + most_bytes
            resource.setrlimit(resource.RLIMIT_AS, (self._most, self._most))
            self._base = base

    def allow(self, extra_bytes: int) -> None:
        """Allow so much from now on."""
        if self._base:
            limit = min(self._base + extra_bytes, self._most)
            resource.setrlimit(resource.RLIMIT_AS, (limit, self._most))


def confine(most_bytes: int, channel: int) -> AddressSpace:
    """Confine this process, for good.

    Args:
        most_bytes: of memory, beyond what it has.
        channel: the socket that requests come from.
    """
    machine = _MACHINES.get(os.uname().machine)
    has_filter = sys.platform == "linux" and machine is not None and sys.maxsize > 1 << 32
    if has_filter:
        import ctypes  # noqa: F401, PLC0415  (while it can be loaded)
    space = AddressSpace(most_bytes)
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(what, (0, 0))
    # Descriptors are assigned from the lowest: the file, and the socket for the response, get the
    # last numbers; until they are closed nothing else can be opened.
    lowest = os.dup(channel)
    above = os.dup(channel)
    os.close(lowest)
    os.close(above)
    resource.setrlimit(resource.RLIMIT_NOFILE, (above + 1, above + 1))
    if has_filter and machine is not None:
        _filter_system_calls(*machine)
    return space


def _filter_system_calls(architecture: int, column: int) -> None:
    import ctypes  # noqa: PLC0415  (the parent, which imports this module, does not need it)

    libc = ctypes.CDLL(None)
    program = _program(architecture, {name: row[column] for name, row in _CALLS.items()})
    held = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(held))
    # These fail only where the kernel, or a container, does not offer them.
    libc.capset(_CAPABILITIES_OF_THIS_PROCESS, _NO_CAPABILITIES)  # root's
    one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, one, zero, zero, zero)
    libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), described)


def _program(architecture: int, numbers: Mapping[str, int]) -> bytes:
    """Return a filter that allows these calls; others fail with EPERM, so that it is reported."""
    rules: list[tuple[int, int, str, str]] = [  # code, operand, where to go if so, and if not
        (_LOAD, _AT_ARCHITECTURE, "", ""),
        (_IF_EQUAL, architecture, "", "kill"),
        (_LOAD, _AT_NUMBER, "", ""),
    ]
    rules += [
        (_IF_EQUAL, numbers[name], "allow", "") for name in sorted(numbers.keys() - _CONDITIONS)
    ]
    for name, conditions in _CONDITIONS.items():
        rules.append((_IF_EQUAL, numbers[name], "", f"+{2 * len(conditions)}"))
        for condition in conditions:
            rules.append((_LOAD, _AT_ARGUMENTS + 8 * condition.argument, "", ""))
            then = "allow" if condition is conditions[-1] else ""
            so, if_not = (then, "deny") if condition.holds else ("deny", then)
            rules.append((condition.test, condition.value, so, if_not))
    ends = {"deny": _ERROR | _EPERM, "allow": _ALLOW, "kill": _KILL_PROCESS}
    places = {name: len(rules) + index for index, name in enumerate(ends)}

    def distance(place: str, at: int) -> int:
        return places[place] - at - 1 if place in places else int(place or 0)

    code = [
        _INSTRUCTION.pack(code, distance(so, at), distance(if_not, at), operand)
        for at, (code, operand, so, if_not) in enumerate(rules)
    ]
    return b"".join([*code, *(_INSTRUCTION.pack(_RETURN, 0, 0, end) for end in ends.values())])
