"""The table of which server reads whose files, by version."""

import pytest

from sidedata.embedded.server_version import ServerVersion

SERVERS = ("Redis 6.2.14", "Redis 7.0.15", "Redis 7.4.1", "Redis 8.0.0", "Valkey 8.1.8", "Valkey 9.1.2")


READABLE = {
    "Redis 6.2.14": (True, True, True, True, True, True),
    "Redis 7.0.15": (False, True, True, True, True, True),
    "Redis 7.4.1": (False, False, True, True, False, False),
    "Redis 8.0.0": (False, False, True, True, False, False),
    "Valkey 8.1.8": (False, False, True, True, True, True),
    "Valkey 9.1.2": (False, False, False, False, False, True),
}


@pytest.mark.holds("8.12")
@pytest.mark.parametrize("writer", SERVERS)
def test_which_server_reads_whose_files(writer: str) -> None:
    """The table of docs/SERVERS.md."""
    wrote = ServerVersion.parse(writer)
    servers = [ServerVersion.parse(server) for server in SERVERS]
    assert wrote is not None
    assert tuple(server is not None and server.can_read(wrote) for server in servers) == READABLE[writer]


@pytest.mark.parametrize(
    ("server", "writer", "reads"),
    [
        ("Redis 8.0.1", "Redis 8.2.3", True),  # one format from 7.4 to 8.4
        ("Redis 8.2.3", "Redis 8.6.3", False),
        ("Redis 8.6.3", "Redis 8.10.2", False),
        ("Redis 8.10.2", "Redis 8.6.3", True),
        ("Redis 8.10.2", "Valkey 8.1.1", True),
        ("Redis 9.0.0", "Redis 9.2.0", False),  # unknown, so not trusted
        ("Redis 9.2.0", "Redis 6.2.14", True),
        ("Valkey 9.0.0", "Valkey 9.1.2", True),
        ("Valkey 9.1.2", "Valkey 9.2.0", False),
        ("Valkey 8.0.0", "Redis 7.2.4", True),
        ("Redis 7.2.4", "Valkey 8.1.8", True),
    ],
)
def test_releases_between_and_after_those_tried(server: str, writer: str, *, reads: bool) -> None:
    """Releases with one format read each other's files; a newer format than the last known one is not assumed to be readable."""
    reader, wrote = ServerVersion.parse(server), ServerVersion.parse(writer)
    assert reader is not None
    assert wrote is not None
    assert reader.can_read(wrote) is reads
