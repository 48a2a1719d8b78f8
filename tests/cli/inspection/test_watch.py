"""`sidedata inspect --watch`: partitions live on a terminal."""

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time

import redis
from rich.console import Console

from sidedata.cli.commands.watch import Rates, frame
from sidedata.inspect.overview import Overview
from sidedata.reads.partitions import PartitionState
from sidedata.schema import keys
from tests.support.processes.command_line import Sidedata
from tests.support.redis.users import as_user

LIMIT_SECONDS = 30.0


def test_watch_wants_a_terminal(sidedata: Sidedata) -> None:
    """Misuse elsewhere, and together with what isn't live."""
    assert sidedata("inspect", "--watch").exit_code == 2
    assert sidedata("inspect", "--watch", "--memory").exit_code == 2


def test_watch_draws_until_interrupted(redis_url: str) -> None:
    """On a terminal it shows what changes, and leaves with 0 at Ctrl-C."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "SIDEDATA_REDIS_URL": as_user("operator", redis_url),
        "TERM": "xterm",
        "COLUMNS": "150",
        "LINES": "40",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sidedata.cli.main", "inspect", "--watch"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    try:
        until_drawn(ours, b"none")
        with redis.Redis.from_url(redis_url) as client:
            client.set(keys.keyspace(7).lease, "worker-seven")
        until_drawn(ours, b"worker-seven")
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def until_drawn(terminal: int, text: bytes) -> None:
    """Read what is drawn until the text is in it."""
    drawn, limit = b"", time.monotonic() + LIMIT_SECONDS
    while text not in drawn:
        assert time.monotonic() < limit, drawn
        if select.select([terminal], [], [], 1)[0]:
            drawn += os.read(terminal, 65536)


def overview(*applied: int) -> Overview:
    """Partitions that have applied that number of events."""
    states = [PartitionState(number, "", 0, events, 0) for number, events in enumerate(applied)]
    return Overview(0, 0, len(states), 0, sum(applied), states)


def test_rates_are_over_the_last_looks() -> None:
    """Differences by time, and never below zero."""
    rates = Rates()
    assert rates.add(10, overview(100, 7)) == [0, 0]
    assert rates.add(12, overview(150, 7)) == [25, 0]
    assert rates.add(14, overview(180, 3)) == [20, 0]


def test_a_low_screen_shows_what_matters() -> None:
    """Where not all partitions fit the busiest do, and the rest is counted."""
    shown = frame(overview(*range(100)), [float(number == 42) for number in range(100)], "", 6)
    assert "99 quieter partitions not shown" in str(shown.renderables[0])


def test_a_frame_fits_80_columns() -> None:
    """Headings and owners are whole, beside large numbers too, and all partitions of a new installation are there."""
    states = [PartitionState(number, "web-1-28254-zb71c26", 99_999, 123_456_789, 4_321) for number in range(16)]
    full = Overview(
        lag_entries=1_599_984,
        dead_letters=69_136,
        partitions=16,
        workers=1,
        events_applied=1_975_308_144,
        states=states,
    )
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(frame(full, [12_345.0] * 16, "", 24))
    lines = console.export_text().splitlines()
    assert len(lines) <= 24
    assert not [line for line in lines if "…" in line]
    assert "".join(lines).count("web-1-28254-zb71c26") == 16
    assert lines[2].split()[-2:] == ["applied", "dead"]
