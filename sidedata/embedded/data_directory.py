"""The directory where an embedded Redis keeps its data, the socket that leads to it, and the secret of `up` and `demo`."""

import contextlib
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from sidedata.errors import StopError
from sidedata.settings import Settings

_SOCKET_BYTES: Final = (
    100  # what a socket's path may have is 104 bytes on macOS and 108 on Linux, a final zero included
)


def data_directory(path: Path) -> Path:
    """The data directory, made if need be, with links resolved so that all its users mean the same.

    Raises:
        StopError: it can't be made or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        resolved = path.resolve(strict=True)
    except OSError as error:
        raise StopError(f"SIDEDATA_DATA_DIR {str(path)!r} can't be used: {error.strerror}") from error
    if not os.access(resolved, os.W_OK | os.X_OK):
        raise StopError(f"SIDEDATA_DATA_DIR {str(path)!r} can't be written to")
    return resolved


def socket_path(directory: Path) -> Path:
    """Where the server of a data directory listens: inside it, or, if that is too long, in a private place of our own.

    Raises:
        StopError: that place is somebody else's, or too long as well.
    """
    inside = directory / "redis.sock"
    if len(os.fsencode(inside)) <= _SOCKET_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"sidedata-{os.geteuid()}-{digest}"
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
    # Anybody may write to the system's directory, so the name could have been taken by somebody who wants to listen in.
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
    """The installation's secret: the one in the settings, else one made once and kept in the data directory.

    Raises:
        StopError: the file is there, but empty, or it can't be read or made.
    """
    if settings.secret:
        return settings.secret
    directory = data_directory(Path(settings.data_dir))
    path = directory / "secret"
    try:
        if not path.exists():
            # Written in full before it gets its name, and `link` refuses a name that is taken: of two processes that
            # come at once, both read what one of them made.
            with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".secret-") as draft:  # made with mode 0600
                draft.write(secrets.token_urlsafe(32) + "\n")
                draft.flush()
                os.fsync(draft.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StopError(f"the secret can't be kept in {path}: {error.strerror}; set SIDEDATA_SECRET") from error
    if not secret:
        raise StopError(f"{path} is empty; put the installation's secret back, or set SIDEDATA_SECRET")
    return secret
