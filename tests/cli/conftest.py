"""The command line on an empty store, with nothing set from outside."""

import os

import pytest
from click.testing import CliRunner

from sidedata.cli.main import cli
from sidedata.settings import PREFIX
from tests.support.processes.command_line import Sidedata
from tests.support.redis.users import as_user


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set from outside, the secret least of all; what the tests themselves are set to stays."""
    for name in list(os.environ):
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def sidedata(redis_url: str, no_settings: None, monkeypatch: pytest.MonkeyPatch) -> Sidedata:
    """Run a command in this process on an empty store."""
    assert no_settings is None
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", redis_url))
    return lambda *arguments: CliRunner().invoke(cli, arguments)
