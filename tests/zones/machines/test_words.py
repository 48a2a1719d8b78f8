"""The words about rules: doctor, /readyz, the metric, the log line, and `org show`."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidedata.calendar.sources import ZoneSources
from sidedata.cli.main import cli
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.worker.worker import Worker
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.inspect import zones
from sidedata.inspect.doctor import examine
from sidedata.inspect.finding import Finding
from sidedata.inspect.zones import compare, judge
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG, SECRET
from tests.support.events import view
from tests.support.pipeline import Pipeline
from tests.support.redis.users import as_user
from tests.support.waiting import eventually
from tests.support.zones.files import zone_bytes, zone_folder
from tests.support.zones.worlds import NAME, NEW, OLD, life, old_scene

SECONDS = 20.0


def machine_has(monkeypatch: pytest.MonkeyPatch, folder: Path, release: str | None) -> None:
    """Let this machine's zone data be of a release."""
    sources = ZoneSources(None, [], [zone_folder(folder / str(release), release, {"UTC": zone_bytes(0, [])})])
    sources.data(4e9)  # long after the folder was written
    monkeypatch.setattr(zones, "process_sources", lambda: sources)


async def doctor(pipe: Pipeline) -> Finding:
    """The doctor's finding."""
    findings = await examine(as_user("operator", pipe.client), pipe.settings, {})
    return next(finding for finding in findings if finding.name == "zone data")


async def ready(pipe: Pipeline) -> dict[str, Any]:
    """The check of /readyz, which never makes a service unready."""
    async with pipe.http.get("/readyz") as response:
        assert response.status == 200
        return next(check for check in (await response.json())["checks"] if check["name"] == "zone data")


async def show(pipe: Pipeline, *arguments: str) -> str:
    """`sidedata org show`."""
    environment = {"SIDEDATA_REDIS_URL": as_user("operator", pipe.settings.redis_url), "SIDEDATA_SECRET": SECRET}
    asked = ["org", "show", ORG, *arguments]
    result = await asyncio.to_thread(CliRunner().invoke, cli, asked, env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_judgements() -> None:
    """Older is a warning, newer that waits is a warning, partitions that differ are judged by both ends."""
    assert judge("2026f", ["2026f", "2026f"]).status == "ok"
    assert judge("2026f", []).status == "ok"
    assert judge("unknown", ["2026f"]).status == "unknown"
    older, waiting, mixed = judge("2025b", ["2026f"]), judge("2026f", ["2025b"]), judge("2026f", ["2026f", "2026e"])
    assert (older.status, waiting.status, mixed.status) == ("warning", "warning", "warning")
    assert "2025b, older than the stored rules of 2026f" in older.detail
    assert "2026f are here and wait to be adopted; stored rules are of 2025b" in waiting.detail
    assert "stored rules are of 2026e" in mixed.detail
    assert compare("2026f", "2026f") == "2026f, like these rules"
    assert compare("2025b", "2026f").startswith("2025b, older")
    assert compare("2026f", "unknown").startswith("2026f, newer")
    assert "no known release" in compare("unknown", "2026f")


@pytest.mark.holds("1.1.8")
async def test_what_is_told_of_an_adoption(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Log line and metric at the adoption; doctor, /readyz and `org show` on machines that are older, newer or alike."""
    caplog.set_level(logging.INFO, "sidedata.worker")
    async with old_scene(redis_url, 50) as (world, case):
        pipe, now = world.pipe, world.now
        await world.send(life(now, days=50, each=3))
        await pipe.client.hset(keys.keyspace(0).cursor, "zones", OLD)

        machine_has(monkeypatch, tmp_path, NEW)
        told = await doctor(pipe), await ready(pipe)
        assert told[0].status == told[1]["status"] == "warning"
        assert f"zone data of {NEW} are here and wait to be adopted" in told[0].detail
        assert told[1]["detail"] == told[0].detail
        assert "within an hour" in told[0].advice
        assert f"{NEW}, newer than these rules" in await show(pipe)

        async def compared() -> bool:
            return bool(await pipe.client.hget(keys.keyspace(0).cursor, "zones") == NEW.encode())

        caplog.clear()
        metrics = Metrics()
        gateway, stop = as_user("worker", pipe.client), asyncio.Event()
        worker = Worker(gateway, pipe.installation, pipe.settings, metrics, None, case.rulebook(NEW, pipe.settings))
        working = asyncio.create_task(worker.run(stop))
        await eventually(compared, SECONDS, "all organizations are compared")
        stop.set()
        await working
        since = (await world.rules()).since
        [line] = [record.getMessage() for record in caplog.records if "rules of" in record.getMessage()]
        assert line.startswith(f"organization {ORG}: rules of {NAME}, release {NEW} after {OLD}: ")
        assert line.endswith(f" days are cut again, the days before {since} keep their cut")
        assert metrics.registry.get_sample_value("sidedata_zone_adoptions_total", {"change": "cut"}) == 1

        assert (await doctor(pipe)).status == (await ready(pipe))["status"] == "ok"
        text, shown = await show(pipe), json.loads(await show(pipe, "--json"))
        assert f"{NEW} {NAME} since={since}; " in text
        assert f"{NEW}, like these rules" in text
        assert (shown["zone_rules"], shown["machine_zone_data"]) == (NEW, NEW)
        assert shown["zone_table"] == (await world.record())["rules"]

        machine_has(monkeypatch, tmp_path, "2025b")
        told = await doctor(pipe), await ready(pipe)
        assert told[0].status == told[1]["status"] == "warning"
        assert f"of 2025b, older than the stored rules of {NEW}" in told[0].detail
        assert "leave it" in told[0].advice
        assert "2025b, older than these rules" in await show(pipe)
        machine_has(monkeypatch, tmp_path, None)
        assert (await doctor(pipe)).status == (await ready(pipe))["status"] == "unknown"


async def compared(pipe: Pipeline, rulebook: Rulebook) -> None:
    """Let a worker with these zone data compare all organizations with them."""
    cursor = keys.keyspace(0).cursor
    await pipe.client.hdel(cursor, "zones")
    gateway, stop = as_user("worker", pipe.client), asyncio.Event()
    worker = Worker(gateway, pipe.installation, pipe.settings, Metrics(), None, rulebook)
    working = asyncio.create_task(worker.run(stop))
    await eventually(lambda: pipe.client.hexists(cursor, "zones"), SECONDS, "all organizations are compared")
    stop.set()
    await working


@pytest.mark.holds("1.1.8")
async def test_a_worker_with_older_data_hides_no_newer_rules(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A partition may go to a machine whose data are older: stored rules stay newer than these, and than rules that it stores."""
    async with old_scene(redis_url, 50) as (world, case):
        pipe = world.pipe
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.apply(view(world.now))
        for release in (NEW, OLD):
            await compared(pipe, case.rulebook(release, pipe.settings))
            machine_has(monkeypatch, tmp_path, NEW)
            assert (await doctor(pipe)).status == (await ready(pipe))["status"] == "ok"
            machine_has(monkeypatch, tmp_path, OLD)
            told = await doctor(pipe), await ready(pipe)
            assert told[0].status == told[1]["status"] == "warning"
            assert f"of {OLD}, older than the stored rules of {NEW}" in told[0].detail

        await pipe.organization(NAME, OTHER_ORG)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await pipe.apply(view(world.now, organization_id=OTHER_ORG), organization=OTHER_ORG)
        await compared(pipe, case.rulebook(OLD, pipe.settings))
        assert f"of {OLD}, older than the stored rules of {NEW}" in (await doctor(pipe)).detail
        machine_has(monkeypatch, tmp_path, NEW)
        assert f"of {NEW} are here and wait to be adopted; stored rules are of {OLD}" in (await doctor(pipe)).detail
