"""A folder that one process at a time may write to."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from negotiation.errors import RunError, RunInUseError

LOCK = ".lock"
"""Name of the lock file in a run folder."""


def take_lock(path: Path, flag: str = "--out") -> int:
    """Take the lock file for this process and write into it who holds it.

    The kernel drops the lock with the process, however that ends, so a file left by a dead process is no
    obstacle; what is written in it only serves the message.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _written(descriptor) or "an unknown process"
        os.close(descriptor)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunError(
                f"cannot lock {path}: {error.strerror}; put the run on a file system with locks"
            ) from error
        raise RunInUseError(
            f"{path.parent} is in use by {holder}; wait for it, or choose another {flag}"
        ) from error
    os.ftruncate(descriptor, 0)
    since = datetime.now(UTC).isoformat(timespec="milliseconds")
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode(), 0)
    return descriptor


def holder_of(path: Path) -> str:
    """The process that holds a lock file, in words; empty if none does.

    The lock is tried and let go at once; a process that begins with the folder in that moment would be turned away.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _written(descriptor) or "a process"
    else:
        return ""
    finally:
        os.close(descriptor)


def _written(descriptor: int) -> str:
    return os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
