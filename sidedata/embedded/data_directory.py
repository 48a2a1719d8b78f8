"""The data directory of an embedded Redis, the path of its socket, and the secret of `up` and `demo`."""

import contextlib
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from sidedata.embedded.lock_file import LockFile
from sidedata.errors import StopError
from sidedata.settings import Settings

SERVER_LOCK: Final = "server.lock"
# A socket's path may have 104 bytes on macOS and 108 on Linux, a final zero included.
_SOCKET_BYTES: Final = 100


def data_directory(path: Path) -> Path:
    """Create the data directory if it does not exist, and resolve links, so that all processes agree on its path.

    Raises:
        StopError: it can't be created or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        resolved = path.resolve(strict=True)
    except OSError as error:
        raise StopError(f"SIDEDATA_DATA_DIR {str(path)!r} can't be used: {error.strerror}") from error
    if not os.access(resolved, os.W_OK | os.X_OK):
        raise StopError(f"SIDEDATA_DATA_DIR {str(path)!r} can't be written to")
    return resolved


def running_directory(path: Path) -> Path:
    """Resolve the data directory, which may not exist, if a server runs in it.

    Raises:
        StopError: none runs there, or the directory can't be read.
    """
    directory = path.resolve()
    try:
        if LockFile.is_held(directory / SERVER_LOCK):
            return directory
    except OSError as error:
        raise StopError(f"SIDEDATA_DATA_DIR {str(directory)!r} can't be used: {error.strerror}") from error
    raise not_running(directory)


def not_running(directory: Path) -> StopError:
    """The error for a data directory without a running server."""
    return StopError(
        f"no Redis runs in {directory}: start `sidedata up` with this SIDEDATA_DATA_DIR, or set SIDEDATA_REDIS_URL"
    )


def socket_path(directory: Path) -> Path:
    """The path of a server's socket: in the data directory or, if that path is too long, in a private temporary directory.

    Raises:
        StopError: the temporary directory belongs to another user, or its path is too long as well.
    """
    inside = directory / "redis.sock"
    if len(os.fsencode(inside)) <= _SOCKET_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"sidedata-{os.geteuid()}-{digest}"
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
    # Every user may write to the system's temporary directory, so another user could have created this one to intercept traffic.
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise StopError(
            f"{short} is not a private directory of this user: remove it, or choose a shorter SIDEDATA_DATA_DIR"
        )
    if len(os.fsencode(short / "redis.sock")) > _SOCKET_BYTES:
        raise StopError(
            "SIDEDATA_DATA_DIR is too long a path for a socket, and so is the directory for temporary files"
        )
    return short / "redis.sock"


def embedded_secret(settings: Settings) -> str:
    """Return the installation's secret: that of the settings, else that of the data directory, generated at its first use.

    Raises:
        StopError: the file is empty, or it can't be read or created.
    """
    if settings.secret:
        return settings.secret
    directory = data_directory(Path(settings.data_dir))
    path = directory / "secret"
    try:
        if not path.exists():
            # Written in full before it gets its name, and `link` refuses a name that exists: of two processes at the same
            # time, both read the secret that one of them generated.
            with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".secret-") as draft:  # created with mode 0600
                draft.write(secrets.token_urlsafe(32) + "\n")
                draft.flush()
                os.fsync(draft.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
    except OSError as error:
        raise StopError(f"the secret can't be stored in {path}: {error.strerror}; set SIDEDATA_SECRET") from error
    return stored_secret(settings)


def stored_secret(settings: Settings) -> str:
    """Return the installation's secret: that of the settings, else that of the data directory, else "".

    Raises:
        StopError: the file is empty, or it can't be read.
    """
    if settings.secret:
        return settings.secret
    path = Path(settings.data_dir).resolve() / "secret"
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StopError(f"the secret can't be read from {path}: {error.strerror}; set SIDEDATA_SECRET") from error
    if not secret:
        raise StopError(f"{path} is empty; put the installation's secret back, or set SIDEDATA_SECRET")
    return secret
