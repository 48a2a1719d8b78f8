"""`sidedata push --rebase`: an archive of any age ends within the last seven days, wherever it is read from."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from sidedata.cli.main import cli
from tests.support.constants import ORG
from tests.support.events import view

WEEK = timedelta(days=7)


@pytest.fixture
def push(redis_url: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the command in a process of its own, so that stdin is a pipe as in a shell."""
    command = [sys.executable, "-c", "from sidedata.cli.main import main; main()", "push", "--rebase"]
    environment = {"PATH": os.environ["PATH"], "SIDEDATA_REDIS_URL": redis_url, "TMPDIR": str(tmp_path)}
    return lambda file, given: subprocess.run(
        [*command, file], input=given, capture_output=True, timeout=60, check=False, env=environment
    )


def times(url: str) -> Iterator[datetime]:
    """The timestamps of the events in the streams, in order."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter("sd:{*}:events"):
            for _, fields in client.xrange(key):
                yield from (datetime.fromisoformat(event["timestamp"]) for event in json.loads(fields[b"events"]))


@pytest.mark.holds("8.2")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("source", ["-", "/dev/stdin", "file"])
@pytest.mark.parametrize("age", [timedelta(days=-20), timedelta(days=1), timedelta(days=3_000, hours=5)])
def test_all_events_move_by_the_same_whole_weeks(
    push: Callable[..., subprocess.CompletedProcess[bytes]],
    redis_url: str,
    tmp_path: Path,
    age: timedelta,
    source: str,
    *,
    packed: bool,
) -> None:
    """The newest one ends up in the last seven days; stdin does as well as a file, and nothing of it is left behind."""
    newest = datetime.now(UTC).replace(microsecond=0) - age
    recorded = [newest - timedelta(hours=hours) for hours in (5, 0, 30)]
    text = b"\n".join(view(at, organization_id=ORG) for at in recorded)
    content = gzip.compress(text) if packed else text
    if source == "file":
        (tmp_path / "archive").write_bytes(content)
        done = push(str(tmp_path / "archive"), b"")
        (tmp_path / "archive").unlink()
    else:
        done = push(source, content)
    assert done.returncode == 0, done.stderr
    moved = list(times(redis_url))
    (shift,) = {after - before for before, after in zip(recorded, moved, strict=True)}
    assert shift % WEEK == timedelta(0)
    assert datetime.now(UTC) - WEEK <= max(moved) <= datetime.now(UTC)
    assert not list(tmp_path.glob("sidedata-push-*"))


@pytest.mark.parametrize(("rebase", "hint"), [((), True), (("--rebase",), False)])
def test_an_old_archive_is_pointed_to_rebase(tmp_path: Path, rebase: tuple[str, ...], *, hint: bool) -> None:
    """A check of an archive of events older than the days kept counts them and names the option; with the option it doesn't."""
    long_ago = datetime.now(UTC) - timedelta(days=3_000)
    (tmp_path / "archive").write_bytes(b"\n".join(view(long_ago, f"{n}", organization_id=ORG) for n in range(3)))
    done = CliRunner().invoke(cli, ["push", "--check", *rebase, str(tmp_path / "archive")])
    assert ("3 of them are older than the days kept: --rebase" in done.stderr) == hint
    assert done.exit_code == int(hint)
