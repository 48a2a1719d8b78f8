"""`sidedata push`: archives into the streams, line by line as they were recorded."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from sidedata.cli.main import cli
from sidedata.schema import keys
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user

ORGANIZATIONS = [f"dddddddd-0000-4000-8000-{number:012}" for number in range(40)]
LINES = [
    json.dumps({"organization_id": ORGANIZATIONS[number % 40], "n": number, "text": "ä " * (number % 7)}).encode()
    for number in range(3_000)
]


@pytest.fixture
def push(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command on an empty store, with these bytes as stdin."""
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", redis_url))
    monkeypatch.delenv("SIDEDATA_SECRET", raising=False)
    return lambda *arguments, given=b"": CliRunner().invoke(cli, ["push", *arguments], input=given)


def stored(url: str) -> Iterator[tuple[int, bytes]]:
    """The events in all streams, with their partitions, in order."""
    with redis.Redis.from_url(url) as client:
        for partition in range(16):
            for _, fields in client.xrange(keys.keyspace(partition).events):
                for raw in fields[b"events"][1:-1].split(b",{"):
                    yield partition, raw if raw.startswith(b"{") else b"{" + raw


@pytest.mark.parametrize("packed", [False, True])
def test_every_line_goes_to_its_partition_as_it_is(
    push: Callable[..., Result], redis_url: str, tmp_path: Path, *, packed: bool
) -> None:
    """Byte for byte, in order within a partition, without an id that was not there."""
    file = tmp_path / "archive"
    text = b"\n".join(LINES)
    file.write_bytes(gzip.compress(text) if packed else text)
    done = push(str(file))
    assert done.exit_code == 0
    assert "3000 events sent, 0 lines unreadable" in done.stderr
    wanted: dict[int, list[bytes]] = {partition: [] for partition in range(16)}
    for number, line in enumerate(LINES):
        wanted[keys.partition_of(ORGANIZATIONS[number % 40], 16)].append(line)
    assert list(stored(redis_url)) == [(partition, line) for partition in wanted for line in wanted[partition]]


@pytest.mark.holds("8.16")
def test_lines_that_are_no_objects_are_counted_and_the_rest_is_sent(
    push: Callable[..., Result], redis_url: str
) -> None:
    """Their numbers and faults stand on stderr, and the exit status is 1."""
    done = push("-", given=b"\n".join([LINES[0], b"nope", LINES[1], b"[]"]))
    assert done.exit_code == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "line 2",
        "line 4",
        "line 1",
        "line 3",
        "2 events will become dead letters",
        "2 events sent, 2 lines unreadable",
    ]
    assert len(list(stored(redis_url))) == 2


def test_an_empty_input_is_said(push: Callable[..., Result]) -> None:
    """One line on stderr and status 0: nothing is wrong with it, and nothing was sent."""
    done = push("-", given=b"")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "there is no event in the input\n")


def test_what_was_sent_is_counted_when_redis_is_gone(
    private_server: Callable[..., RedisServer], push: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full for good, so nothing goes in: one line says so, and how many events are lost."""
    server = private_server("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", server.url))
    monkeypatch.setattr("sidedata.ingest.archive.push._ATTEMPTS", 2)
    done = push("-", given=LINES[0])
    assert done.exit_code == 1
    assert "Redis" in done.stderr.splitlines()[-1]


def test_what_it_waits_for_is_said(
    private_server: Callable[..., RedisServer], push: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis refuses writes a line on stderr names the reason, once, long before the attempts are used up."""
    server = private_server("--maxmemory-policy", "noeviction")
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", server.url))
    assert push("-", given=LINES[0]).exit_code == 0
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
    monkeypatch.setattr("sidedata.ingest.archive.push._ATTEMPTS", 4)
    monkeypatch.setattr("sidedata.ingest.archive.push._TROUBLE_SECONDS", 0.01)
    lines = push("-", given=LINES[0]).stderr.splitlines()
    said = [line.startswith("events wait, and are sent again: Redis is full") for line in lines]
    assert (said[0], sum(said)) == (True, 1), lines
