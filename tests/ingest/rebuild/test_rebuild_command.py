"""`sidedata rebuild` as a process: its report, its exit statuses, and a second run after a kill."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidedata.ingest.worker.worker import Worker
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG, SECRET
from tests.support.events import POPUP, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.rebuilds import answers, assert_shadows_expire, life, read_anew, spoil
from tests.support.redis.users import as_user


def sidedata(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sidedata.cli.main", "rebuild", "--org", ORG, *arguments],
        env={**os.environ, "SIDEDATA_REDIS_URL": as_user("operator", url), "SIDEDATA_SECRET": SECRET, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_compares_and_swaps(pipe: Pipeline, tmp_path: Path) -> None:
    """Gzipped or not; a report as a table or as JSON on stdout, the rest on stderr, and the status that scripts go by."""
    now = await pipe.now()
    raws = life(now, size=8)
    await pipe.apply(raws)
    right = await answers(pipe)
    await spoil(pipe)
    url = pipe.settings.redis_url
    packed, cut, plain = tmp_path / "a.ndjson.gz", tmp_path / "cut.gz", tmp_path / "a.ndjson"
    plain.write_bytes(b"\n".join([*raws, raws[0], view(now, organization_id=OTHER_ORG), view("1999-01-01T00:00:00Z")]))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    cut.write_bytes(packed.read_bytes()[:-20])

    def run_rebuild(*arguments: str) -> subprocess.CompletedProcess[str]:
        return sidedata(url, *arguments)

    asked = await asyncio.to_thread(run_rebuild, str(packed))
    assert (asked.returncode, asked.stderr.count("\n")) == (2, 1)
    assert "--apply" in asked.stderr
    assert (await asyncio.to_thread(run_rebuild, "--dry-run", "--apply", str(packed))).returncode == 2
    assert (await asyncio.to_thread(run_rebuild, "--apply", str(tmp_path / "none"))).returncode == 2
    assert (await asyncio.to_thread(run_rebuild, "--apply", "--timezone", "Mars/Olympus", str(packed))).returncode == 2
    broken = await asyncio.to_thread(run_rebuild, "--apply", str(cut))
    assert broken.returncode == 1
    assert "can't be read on" in broken.stderr
    other = {"SIDEDATA_SECRET": "another one"}
    assert (await asyncio.to_thread(lambda: sidedata(url, "--apply", str(packed), **other))).returncode == 1
    dry = await asyncio.to_thread(run_rebuild, "--dry-run", "--json", str(packed))
    assert dry.returncode == 0, dry.stderr
    report = json.loads(dry.stdout)
    assert (report["applied"], report["duplicates"], report["other_lines"]) == (len(raws), 1, 1)
    assert (report["dead_letters"], report["swapped"]) == ({"too_old": 1}, False)
    popup = next(one for one in report["workflows"] if one["id"] == POPUP)
    assert popup["rebuilt"]["started"] == 8 < popup["stored"]["started"]
    assert popup["rebuilt"]["purchases"] == {"EUR": "159.92"}
    assert popup["buckets_differing"] > 0
    assert await read_anew(pipe) != right
    done = await asyncio.to_thread(run_rebuild, "--apply", str(plain))
    assert done.returncode == 0, done.stderr
    assert POPUP in done.stdout
    assert "1 left out as too_old" in done.stderr
    assert "was held for" in done.stderr
    assert await answers(pipe) == right


async def test_lines_that_can_not_be_read_are_left_out(pipe: Pipeline, tmp_path: Path) -> None:
    """They and lines without a timestamp are named, their neighbours count, and the exit status is 1."""
    now = await pipe.now()
    raws = life(now, size=8)
    await pipe.apply(raws)
    right = await answers(pipe)
    await spoil(pipe)
    timeless = json.loads(view(now, id="timeless"))
    del timeless["timestamp"]
    broken = [
        b"nope",
        json.dumps(timeless).encode(),
        view(now)[:-1] + b', "title": "Jos\xe9"}',
        b'\xef\xbb\xbf{"a": NaN}',
    ]
    archive = tmp_path / "a.ndjson"
    archive.write_bytes(b"\n".join([raws[0], *broken, *raws[1:]]))
    for flag, swapped in (("--dry-run", False), ("--apply", True)):
        done = await asyncio.to_thread(sidedata, pipe.settings.redis_url, flag, "--json", str(archive))
        report = json.loads(done.stdout)
        assert (done.returncode, report["swapped"], report["unreadable_lines"]) == (1, swapped, 4), done.stderr
        assert [line.split(": ")[0] for line in done.stderr.splitlines()[:4]] == [f"line {n}" for n in range(2, 6)]
        assert "line 3: no timestamp" in done.stderr
        assert "4 unreadable lines left out" in done.stderr
    assert await answers(pipe) == right


@pytest.mark.parametrize("place", ["inside_commit:1", "before_swap:1", "after_swap_step:3"])
async def test_a_command_that_is_killed_is_run_again(redis_url: str, tmp_path: Path, place: str) -> None:
    """SIGKILL, with a worker about that takes the partition over; then the same once more to its end."""
    async with pipeline(redis_url, partitions=2, lease_ms=500) as pipe:
        now = await pipe.now()
        raws = life(now, size=8)
        await pipe.apply(raws)
        right = await answers(pipe)
        await spoil(pipe)
        archive = tmp_path / "a.ndjson"
        archive.write_bytes(b"\n".join(raws))
        stop = asyncio.Event()
        worker = Worker(as_user("worker", pipe.client), pipe.installation, pipe.settings)
        working = asyncio.create_task(worker.run(stop))
        killed = await asyncio.to_thread(
            lambda: sidedata(redis_url, "--apply", str(archive), SIDEDATA_FAILPOINT=place, SIDEDATA_LEASE_MS="500")
        )
        assert killed.returncode == -9, killed.stderr
        partition = pipe.partition(ORG)
        async with asyncio.timeout(20):
            while await pipe.client.get(keys.keyspace(partition).lease) != worker.name.encode():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
            while await pipe.client.hexists(keys.keyspace(partition).cursor, "swap"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await read_anew(pipe) == right) == place.startswith("after_swap")
        await assert_shadows_expire(pipe.client)
        done = await asyncio.to_thread(lambda: sidedata(redis_url, "--apply", str(archive), SIDEDATA_LEASE_MS="500"))
        assert done.returncode == 0, done.stderr
        assert await answers(pipe) == right
        stop.set()
        await working
