"""Locks with an end to waiting, and whether a file system keeps them.

Who lives is told by locks that a process hands on to those it starts (`flock`). On a local file
system they are handed on with the open file; network file systems emulate them per process or per
machine, so that a living job may look lost, or two take the same work.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import re
import time
from typing import NamedTuple

from core.errors import InputError

PATIENCE = 30.0
"""Seconds to wait for a lock that is held for a moment only."""
MOUNTS = pathlib.Path("/proc/self/mountinfo")
HELD = pathlib.Path("/proc/locks")
NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "9p"),
    *("glusterfs", "ocfs2", "gfs2", "panfs", "orangefs", "pvfs2", "virtiofs", "ncpfs", "coda"),
)
"""Types of file systems that other machines, or a host, change too."""
OVER_FUSE = re.compile(
    r"fuse\.(sshfs|glusterfs|ceph|cephfs|s3fs|gcsfuse|goofys|rclone|juicefs|beegfs|davfs2?"
    r"|mount-s3|blobfuse2?|seaweedfs|smbnetfs|lustre|moosefs|mfs|dislocker)"
)


class Mount(NamedTuple):
    """Where a path is mounted from."""

    at: str
    type: str


def mount_of(path: pathlib.Path) -> Mount:
    """Return the mount that a path, or the nearest folder above it that exists, is on.

    Empty where the system does not tell (only Linux does).
    """
    there = os.path.realpath(path)
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return Mount("", "")
    best = Mount("", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after.split():
            continue
        at = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
        inside = there == at or there.startswith(at.rstrip("/") + "/")
        if inside and len(at) >= len(best.at):  # of several on one place the last counts
            best = Mount(at, after.split()[0])
    return best


def network_problem(path: pathlib.Path) -> str:
    """Say what to expect of a workspace on a network file system; empty on a local one."""
    mount = mount_of(path)
    if mount.type not in NETWORK and not OVER_FUSE.match(mount.type):
        return ""
    return (
        f"{path} is on {mount.at}, a network file system ({mount.type}), on which locks are not "
        "handed on from process to process: a running job may be shown as lost, and two may do the "
        "same work. Keep the workspace on a local disk and copy it from there; "
        "S2L_WORKSPACE or --workspace names it"
    )


def lock_within(fd: int, path: pathlib.Path, seconds: float = PATIENCE) -> None:
    """Lock an open file as soon as it is free.

    Raises:
        InputError: another process has held it all the time; it may have been frozen.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise InputError(
                    f"another process{_holder(fd)} has held {path} for {seconds:g} s, which takes "
                    f"a moment: it may be frozen; end it (`fuser -v {path}` names it), try again"
                ) from None
        time.sleep(0.02)


def _holder(fd: int) -> str:
    """Name the process that has locked an open file, where the system tells."""
    s = os.fstat(fd)
    device_and_file = f"{os.major(s.st_dev):02x}:{os.minor(s.st_dev):02x}:{s.st_ino}"
    try:
        held = [line.split() for line in HELD.read_text().splitlines() if " FLOCK " in line]
    except OSError:
        return ""
    pids = [fields[-4] for fields in held if len(fields) >= 8 and fields[-3] == device_and_file]
    return f" ({pids[0]})" if pids else ""
