"""Commands that only read, in front of a Redis that hangs."""

import socket
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from sidedata.cli.main import cli
from tests.support.constants import ORG
from tests.support.events import PAGES

READING = [
    ("org", "list"),
    ("org", "show", ORG),
    ("workflow", "list", ORG),
    ("workflow", "show", ORG, PAGES),
    ("token", "list"),
    ("dead", "list"),
    ("dead", "show", "0:1-1"),
    ("inspect",),
    ("inspect", "key", "sd:config"),
    ("status",),
]


@pytest.fixture
def hanging(no_settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An address that takes connections and answers nothing."""
    assert no_settings is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("SIDEDATA_REDIS_URL", f"redis://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr("sidedata.cli.commands.answering._PING_SECONDS", 0.1)
        yield


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_it_says_soon_that_redis_does_not_answer(hanging: None, command: tuple[str, ...]) -> None:
    """They wait for the first answer no longer than `inspect` does, and leave with 1."""
    assert hanging is None
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 1
    assert "Redis did not answer within" in done.stderr
