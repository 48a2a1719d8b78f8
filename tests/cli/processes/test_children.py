"""Child processes: their settings, addresses and ends; and signals to the process itself."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from sidedata.cli.processes.address import base_url, free_ports
from sidedata.cli.processes.supervisor import Supervisor, environment
from sidedata.cli.stopping import until_stopped
from sidedata.errors import StopError
from sidedata.settings import Settings, read_settings, variable
from tests.support.constants import ORG

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_child_reads_exactly_our_settings(tmp_path: Path) -> None:
    """Settings of the environment are overridden, and the data directory doesn't depend on the working directory."""
    settings = Settings(data_dir=str(tmp_path), secret="ours", port=1, keep_late_hours=0)  # noqa: S106 - a test's
    outer = {"SIDEDATA_REDIS_URL": "redis://elsewhere", "SIDEDATA_PORT": "2", "PATH": "/bin"}
    given = environment(settings, outer)
    assert given["PATH"] == "/bin"
    assert read_settings({}, given) == settings
    assert Path(environment(Settings(), outer)[variable("data_dir")]).is_absolute()


def test_a_taken_port_is_replaced() -> None:
    """A free one stays as it is, 0 becomes one, and none comes twice."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first, second, third = free_ports("127.0.0.1", [port, port, 0])
    assert len({port, first, second, third}) == 4
    assert free_ports("127.0.0.1", [first]) == [first]
    with pytest.raises(StopError, match="SIDEDATA_HOST"):
        free_ports("no such host", [0])


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:5"), ("0.0.0.0", "http://127.0.0.1:5"), ("::", "http://[::1]:5")],
)
def test_the_address_is_one_to_click_on(host: str, expected: str) -> None:
    """An address that stands for all is replaced by one that leads there."""
    assert base_url(Settings(host=host, port=5)) == expected


async def test_a_signal_stops_once_and_in_order() -> None:
    """The work's clean-up is waited for, and a second signal doesn't break it off."""
    steps = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.01)
            steps.append("cleaned up")

    await until_stopped(work())
    assert steps == ["cleaned up"]


async def test_an_error_of_the_work_is_raised() -> None:
    """A failed child is not taken for a stopped one."""

    async def work() -> None:
        raise StopError("no")

    with pytest.raises(StopError, match="no"):
        await until_stopped(work())


async def test_a_child_that_ends_is_told_with_its_last_words(tmp_path: Path, redis_url: str) -> None:
    """Command, status and the last line of its log are in the error; the child had the settings."""
    async with Supervisor(Settings(redis_url=redis_url, data_dir=str(tmp_path)), logs=tmp_path) as supervisor:
        await supervisor.start("org", "show", ORG)
        with pytest.raises(StopError, match=rf"`sidedata org` ended by itself with status 1: .*{ORG}"):
            await supervisor.watch()
