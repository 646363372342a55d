"""seccomp: the system calls that this process, and everything that it starts, may not make.

It covers what Landlock does not: sockets other than TCP, tracing, namespaces, and rarely needed kernel interfaces. A
filter is a small program for the kernel (seccomp(2), read 2026-11-28), assembled here from readable pieces.
"""

import ctypes
import errno
import functools
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto

from shared.reports.process import kernel


class Sockets(Flag):
    """The sockets that a process may open. Socket pairs within a process are always allowed."""

    NONE = 0
    UNIX = auto()
    """To a path: a server on this machine."""
    TCP = auto()
    ANY = auto()
    """Whatever an ordinary program uses: TCP, UDP, Unix, and querying the kernel for its addresses."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """The system call numbers of one processor architecture."""

    audit: int
    """AUDIT_ARCH_… of <linux/audit.h>: any other value means that the numbers belong to another list."""
    seccomp: int
    socket: int
    clone: int
    prctl: int
    refused: tuple[int, ...]


# ptrace process_vm_readv process_vm_writev mount umount2 pivot_root chroot unshare setns bpf perf_event_open
# userfaultfd keyctl add_key request_key shmget semget msgget mq_open kcmp; then those of one number everywhere:
# memfd_secret pidfd_getfd open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr.
_EVERYWHERE = (447, 438, 428, 429, 430, 431, 432, 433, 442)
_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        0xC000003E, 317, 41, 56, 157,
        (101, 310, 311, 165, 166, 155, 161, 272, 308, 321, 298, 323, 250, 248, 249, 29, 64, 68, 240, 312, *_EVERYWHERE),
    ),
    "aarch64": _Machine(
        0xC00000B7, 277, 198, 220, 167,
        (117, 270, 271, 40, 39, 41, 51, 97, 268, 280, 241, 282, 219, 217, 218, 194, 190, 186, 180, 272, *_EVERYWHERE),
    ),
}  # fmt: skip
# Programs try these calls and fall back: the flags of clone3 are in memory, which filters cannot see; io_uring opens
# sockets past every filter; a memfd is memory that no limit counts. In this order: clone3,
# io_uring_setup/enter/register.
_NOT_THERE = (435, 425, 426, 427)
_MEMFD_CREATE = {"x86_64": 319, "aarch64": 279}
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME."""
_X32 = 0x40000000
"""Numbers from here on are a second list of the same kernel on x86-64."""

_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_SET_FILTER, _ASK_ACTION = 1, 2
_SPEC_ALLOW = 4
"""Keeps the processor's speculation as it is: turning it off is meant for code that shares a process, and slows
everything down."""
# Classic BPF: the instructions, and where a call's number, architecture and arguments are.
_LOAD, _AND, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _LIST, _FIRST, _SECOND = 0, 4, 16, 24
_Step = tuple[int, int, int, int]


def available() -> bool:
    """True if the kernel accepts filters, and this file has the processor's numbers."""
    machine = _MACHINES.get(kernel.MACHINE)
    if machine is None:
        return False
    try:
        return kernel.call(machine.seccomp, _ASK_ACTION, 0, ctypes.byref(ctypes.c_uint32(_REFUSE))) == 0
    except OSError:
        return False


def refuse(sockets: Sockets) -> None:
    """Refuse what no report needs, and all sockets but these. Needs `give_up_privileges` before. Raises OSError."""
    whole = program(sockets)
    kernel.call(_MACHINES[kernel.MACHINE].seccomp, _SET_FILTER, _SPEC_ALLOW, ctypes.byref(whole))


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.c_char_p))


@functools.cache
def program(sockets: Sockets) -> _Program:
    """Return the filter for `refuse`. It is built only once: processes forked later inherit it."""
    steps = _program(_MACHINES[kernel.MACHINE], sockets)
    return _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))


def _program(machine: _Machine, sockets: Sockets) -> Sequence[_Step]:
    steps = [_step(_LOAD, _LIST), _step(_EQUAL, machine.audit, yes=1), _step(_RETURN, _KILL), _step(_LOAD, _NUMBER)]
    steps += [_step(_AT_LEAST, _X32, no=1), _step(_RETURN, _REFUSE | errno.EPERM)]
    for number in machine.refused:
        steps += _for(number, [_step(_RETURN, _REFUSE | errno.EPERM)])
    for number in (*_NOT_THERE, _MEMFD_CREATE[kernel.MACHINE]):
        steps += _for(number, [_step(_RETURN, _REFUSE | errno.ENOSYS)])
    steps += _for(machine.socket, _opening(sockets))
    namespaces = [_step(_HAS, _NEW_NAMESPACES, no=1), _step(_RETURN, _REFUSE | errno.EPERM)]
    steps += _for(machine.clone, [_step(_LOAD, _FIRST), *namespaces, _step(_RETURN, _ALLOW)])
    # What ties a process to its worker: a report must not be able to undo it.
    ties = [_for(option, [_step(_RETURN, _REFUSE | errno.EPERM)]) for option in _TIES]
    steps += _for(machine.prctl, [_step(_LOAD, _FIRST), *_joined(ties), _step(_RETURN, _ALLOW)])
    return [*steps, _step(_RETURN, _ALLOW)]


_TIES = (kernel.PR_SET_PDEATHSIG, kernel.PR_SET_CHILD_SUBREAPER)


def _opening(sockets: Sockets) -> Sequence[_Step]:
    """Return the steps for socket(2): its first argument is the family, the low bits of its second the kind."""
    allow, refuse_ = _step(_RETURN, _ALLOW), _step(_RETURN, _REFUSE | errno.EACCES)
    stream = [_step(_LOAD, _SECOND), _step(_AND, 0xF), _step(_EQUAL, socket.SOCK_STREAM, no=1), allow, refuse_]
    steps = [_step(_LOAD, _FIRST)]
    if Sockets.ANY in sockets:
        for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, _AF_NETLINK):
            steps += _for(family, [allow])
    if Sockets.UNIX in sockets:
        steps += _for(socket.AF_UNIX, [allow])
    if Sockets.TCP in sockets:
        for family in (socket.AF_INET, socket.AF_INET6):
            steps += _for(family, stream)
    return [*steps, refuse_]


_AF_NETLINK = 16


def _for(value: int, steps: Sequence[_Step]) -> list[_Step]:
    """Run `steps`, which end in an answer, if the loaded value is `value`; otherwise skip them."""
    return [_step(_EQUAL, value, no=len(steps)), *steps]


def _joined(parts: Iterable[Sequence[_Step]]) -> list[_Step]:
    return [step for part in parts for step in part]


def _step(code: int, operand: int, *, yes: int = 0, no: int = 0) -> _Step:
    """Return one instruction. A comparison skips `yes` or `no` of the following ones."""
    return code, yes, no, operand
