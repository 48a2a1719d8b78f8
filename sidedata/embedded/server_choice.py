"""The choice of the server that starts on a data directory: the first at hand that can read what is there."""

from pathlib import Path
from typing import Final

from msgspec import Struct

from sidedata.embedded.server_binary import ServerBinary, find_servers
from sidedata.embedded.server_version import VALKEY, ServerVersion
from sidedata.embedded.written_by import unread_file, writers
from sidedata.errors import StopError

# The server of the extra `embedded`, for advice where the extra is not installed.
_EXTRA: Final = ServerVersion(VALKEY, "9.1")


class Choice(Struct, frozen=True):
    """The server to start, and lines for the operator to read before it writes."""

    server: ServerBinary
    notices: list[str]


def choose_server(directory: Path) -> Choice:
    """Choose the first server at hand that can read the directory; writes nothing.

    Raises:
        StopError: there is no server, or none that can read the data; the text names both and the remedy.
    """
    servers = find_servers()
    written_by = writers(directory)
    chosen = next((server for server in servers if not _obstacles(server, written_by)), None)
    if chosen is None:
        raise StopError(_refusal(directory, servers, written_by))
    notices = []
    if chosen != servers[0]:
        obstacle = _obstacles(servers[0], written_by)[0]
        notices.append(f"{chosen} starts, not {servers[0]}, which can't read the data of {obstacle} in {directory}")
    notices += [
        f"{chosen.version} takes over the data of {writer} in {directory}; {writer} can't read them any more afterwards"
        for writer in written_by[:1]
        if not writer.can_read(chosen.version)
    ]
    if unread := unread_file(directory):
        notices.append(f"{unread} is not read: a Redis before 7.0 wrote it when it could not see the data beside it")
    return Choice(chosen, notices)


def _obstacles(server: ServerBinary, written_by: list[ServerVersion]) -> list[ServerVersion]:
    return [writer for writer in written_by if not server.version.can_read(writer)]


def _refusal(directory: Path, servers: list[ServerBinary], written_by: list[ServerVersion]) -> str:
    needed = next(writer for server in servers for writer in _obstacles(server, written_by))
    major, minor = needed.release
    remedy = f"install {needed.product} {major}.{minor} or newer"
    if all(_EXTRA.can_read(writer) for writer in written_by):
        remedy = f"pip install 'sidedata[embedded]', or {remedy}"
    at_hand = ", ".join(str(server) for server in servers)
    return f"{needed} wrote the data in {directory}, and {at_hand} can't read them: {remedy}; the files are whole and unchanged"
