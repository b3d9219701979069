"""A disk that is full from the n-th write on: the kernel asks here before each call that writes.

A process that called `watched` has its writes below a folder counted, and those of its threads and children,
whichever library makes them: a filter of system calls (seccomp) hands each to the process that holds the
other end, and `Disk.serve` answers. Linux on x86-64 alone.
"""

import collections
import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import platform
import re
import select
import socket
import struct

OF_FD = {1: "write", 18: "write", 20: "write", 296: "write", 328: "write", 77: "truncate"}
OF_FD |= {285: "allocate", 74: "fsync", 75: "fsync"}
OF_PATH = {83: 0, 82: 1, 86: 1, 88: 1, 2: 0, 85: 0}
"""mkdir, rename, link, symlink, open, creat -> the argument that is the path."""
OF_PATH_AT = {258: (0, 1), 264: (2, 3), 316: (2, 3), 265: (2, 3), 266: (1, 2), 257: (0, 1)}
"""The same beside an open folder -> the arguments that are the folder and the path."""
COPIES = {40: 0, 326: 2}
"""sendfile, copy_file_range -> the argument that is the file written to."""
MADE = {83: "mkdir", 258: "mkdir", 82: "rename", 264: "rename", 316: "rename"}
OPENS = {2: 1, 257: 2}
"""open, openat -> the argument with the flags: only those that make a file are asked about."""
TRAPPED = sorted({*OF_FD, *OF_PATH, *OF_PATH_AT, *COPIES} - {*OPENS})
X86_64, NOTIFY, ALLOW = 0xC000003E, 0x7FC00000, 0x7FFF0000
RECEIVE, SEND, GO_ON, NEW_LISTENER, NO_NEW_PRIVILEGES = 0xC0502100, 0xC0182101, 1, 8, 38
HERE = -100
LIBC = ctypes.CDLL(None, use_errno=True)


def possible() -> bool:
    """Say whether the kernel can hand calls over."""
    known = pathlib.Path("/proc/sys/kernel/seccomp/actions_avail")
    here = platform.machine() == "x86_64" and known.exists()
    return here and "user_notif" in known.read_text()


def program() -> bytes:
    """Return the filter: which calls are handed over."""
    load, equal, bit, give = 0x20, 0x15, 0x45, 0x06
    out = [(load, 0, 0, 4), (equal, 1, 0, X86_64), (give, 0, 0, ALLOW), (load, 0, 0, 0)]
    for number, flags in OPENS.items():
        out += [(equal, 0, 4, number), (load, 0, 0, 16 + 8 * flags), (bit, 0, 1, os.O_CREAT)]
        out += [(give, 0, 0, NOTIFY), (give, 0, 0, ALLOW)]
    for number in TRAPPED:
        out += [(equal, 0, 1, number), (give, 0, 0, NOTIFY)]
    return b"".join(struct.pack("HBBI", *line) for line in [*out, (give, 0, 0, ALLOW)])


def watched(to: socket.socket) -> None:
    """Have this process and its children ask before they write, whoever gets the other end."""
    lines = program()
    kept = ctypes.create_string_buffer(lines, len(lines))
    filter_of = struct.pack("HxxxxxxQ", len(lines) // 8, ctypes.addressof(kept))
    LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = LIBC.syscall(317, 1, NEW_LISTENER, filter_of)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "no filter of system calls can be set here")
    socket.send_fds(to, [b"x"], [listener])
    os.close(listener)


class Disk:
    """What is written below a folder, one call after the other, and from which on it fails."""

    def __init__(self, root: pathlib.Path, full_from: int = 0, *, once: bool = False) -> None:
        self.root, self.full_from, self.once = str(root.resolve()), full_from, once
        self.calls: list[str] = []
        self.failed = 0
        self.ours, self.theirs = socket.socketpair()

    def serve(self, done, patience: float) -> None:
        """Answer until nobody is left to ask, or `done` says so; and at most so many seconds."""
        self.theirs.close()
        if not select.select([self.ours], [], [], patience)[0]:
            return
        _, fds, _, _ = socket.recv_fds(self.ours, 1, 1)
        self.ours.close()
        if not fds:
            return
        poll = select.poll()
        poll.register(fds[0], select.POLLIN)
        try:
            while not done():
                for _, event in poll.poll(20):
                    if event & select.POLLHUP:
                        return
                    with contextlib.suppress(OSError):  # it was killed meanwhile
                        self.answer(fds[0])
        finally:
            os.close(fds[0])

    def answer(self, listener: int) -> None:
        asked = bytearray(80)
        fcntl.ioctl(listener, RECEIVE, asked)
        id, pid, _, number, _, _, *args = struct.unpack("QIIiIQ6Q", asked)
        call = self.named(pid, number, args)
        fails = False
        if call:
            self.calls.append(call)
            n = len(self.calls)
            reached = n == self.full_from if self.once else n >= self.full_from > 0
            fails = reached and not self.has_room(call)
            self.failed += fails
        said = struct.pack("QqiI", id, 0, -errno.ENOSPC if fails else 0, 0 if fails else GO_ON)
        fcntl.ioctl(listener, SEND, said)

    def has_room(self, call: str) -> bool:
        """Say whether the place that a job had reserved is free now, for its last word."""
        name = call.partition(" ")[2]
        folder = pathlib.Path(self.root, name).parent
        ending = "status.json" in name and name.startswith("jobs/")
        return ending and (folder / "spec.json").exists() and not (folder / "room").exists()

    def named(self, pid: int, number: int, args: list[int]) -> str:
        """Return what is done to which file below the folder; empty where it is another."""
        try:
            if number in OF_FD or number in COPIES:
                fd = args[COPIES.get(number, 0)]
                path = str(pathlib.Path(f"/proc/{pid}/fd/{fd}").readlink())
            else:
                path = self.path(pid, number, args)
        except OSError:
            return ""
        if not path.startswith(self.root + "/") or path.endswith(" (deleted)"):
            return ""
        made = number in OPENS or number == 85
        if made and pathlib.Path(path).exists():
            return ""
        what = OF_FD.get(number) or MADE.get(number) or ("create" if made else "write")
        return f"{what} {path[len(self.root) + 1 :]}"

    def path(self, pid: int, number: int, args: list[int]) -> str:
        at, where = OF_PATH_AT.get(number, (None, OF_PATH.get(number)))
        folder = HERE if at is None else ctypes.c_int(args[at] & 0xFFFFFFFF).value
        with pathlib.Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(args[where])
            text = memory.read(4096 - args[where] % 4096)
            if b"\0" not in text:
                text += memory.read(4096)
        name = os.fsdecode(text.partition(b"\0")[0])
        beside = pathlib.Path(f"/proc/{pid}/" + ("cwd" if folder == HERE else f"fd/{folder}"))
        return os.path.normpath(beside.readlink() / name)


def kinds(calls: list[str]) -> dict[str, list[int]]:
    """Return what is written, its ids and numbers left out -> the numbers of the calls, from 1."""
    found = collections.defaultdict(list)
    for number, call in enumerate(calls, 1):
        plain = re.sub(r"\d{8}-\d{9}-[0-9a-f]{4}", "ID", call)
        plain = re.sub(r"\.[0-9a-f]{8}\b", ".x", plain)
        found[re.sub(r"[0-9a-f]{12,}|\d+", "#", plain)].append(number)
    return dict(found)
