"""Events at the edge of the oldest day kept, which depends on a zone: named only where a worker would refuse them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from sidedata.calendar.levels import Retention
from sidedata.calendar.reporting import oldest_kept_us
from sidedata.calendar.zones import zone
from sidedata.cli.main import cli
from sidedata.events.rejection import TOO_OLD, Rejection
from sidedata.events.timestamps import from_microseconds
from sidedata.ingest.archive.judge import Judge, ZoneDecidesError
from sidedata.ingest.archive.lines import Line
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.events import view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user

SETTINGS = Settings()
DAY_US = 86_400_000_000
# A night of changing clocks, half an hour into a day of UTC, and just before its end.
MOMENTS = (1_795_471_200.0, 1_795_480_200.5, 1_795_564_799.0, 1_803_600_000.0)
ZONES = ("Pacific/Kiritimati", "Asia/Kathmandu", "UTC", "America/Santiago", "Antarctica/Troll", "Pacific/Pago_Pago")


def judged(judge: Judge, at_us: int) -> Rejection | str | None:
    """The judgement of an event of that time; "undecided" where a zone decides."""
    try:
        return judge.rejection(Line(1, view(from_microseconds(at_us))))
    except ZoneDecidesError as error:
        return "undecided" if error.organization == ORG else error.organization


@pytest.mark.parametrize(("name", "now"), list(itertools.product(ZONES, MOMENTS)))
def test_no_event_that_a_zone_keeps_is_bad(name: str, now: float) -> None:
    """Without the zone an event of its oldest day is good or undecided; with it the edge is exact."""
    oldest = oldest_kept_us(zone(name), now, Retention.of(SETTINGS))
    judge = Judge(SETTINGS, now)
    assert judged(judge, oldest) in (None, "undecided")
    assert judged(judge, oldest - 1) in (TOO_OLD, "undecided")
    judge.learn(ORG, zone(name))
    assert judged(judge, oldest) is None
    assert judged(judge, oldest - 1) == TOO_OLD


@pytest.mark.parametrize("now", MOMENTS)
def test_two_days_beyond_the_retention_all_zones_agree(now: float) -> None:
    """And an event within it is good in all of them."""
    limit_us = (int(now) - Retention.of(SETTINGS).day) * 1_000_000
    assert judged(Judge(SETTINGS, now), limit_us) is None
    assert judged(Judge(SETTINGS, now), limit_us - 2 * DAY_US) == TOO_OLD


def check(*events: bytes) -> Result:
    """Run `push --check` without Redis."""
    environment = {"SIDEDATA_REDIS_URL": "unix:///nowhere"}
    return CliRunner().invoke(cli, ["push", "--check", "-"], input=b"\n".join(events), env=environment)


@pytest.mark.holds("8.4")
def test_an_undecided_line_is_counted_and_not_bad() -> None:
    """The report says in words what decides."""
    edge = datetime.now(UTC) - timedelta(days=400, hours=12)
    done = check(view(edge), view(datetime.now(UTC)))
    assert done.exit_code == 0
    edge_line, total = done.stderr.splitlines()
    assert edge_line.startswith("1 event at the edge of the oldest day kept, where an organization's time zone decides")
    assert total == "2 events checked, 0 lines unreadable"


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation."""
    async with pipeline(redis_url, partitions=4) as opened:
        yield opened


@pytest.mark.holds("8.17")
@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Pacific/Pago_Pago", ""])
async def test_a_push_judges_by_the_organization_s_zone(pipe: Pipeline, name: str) -> None:
    """The events that it names at the edge become dead letters, and no others do; no zone is UTC."""
    if name:
        await pipe.organization(name)
    now = await pipe.now()
    oldest = oldest_kept_us(zone(name or "UTC"), now.timestamp(), Retention.of(pipe.settings))
    # Minutes around the edge, and hours that are on one side of it in UTC and on the other one here.
    offsets = [minutes * 60_000_000 for minutes in (-1_500, -700, -30, 30, 700, 1_400)]
    text = b"\n".join(view(from_microseconds(oldest + offset)) for offset in offsets)
    environment = {"SIDEDATA_REDIS_URL": as_user("operator", pipe.settings.redis_url), "SIDEDATA_SECRET": None}
    done = await asyncio.to_thread(CliRunner().invoke, cli, ["push", "-"], input=text, env=environment)
    assert done.exit_code == 0, done.stderr
    assert [line.split(": ")[0] for line in done.stderr.splitlines() if line.startswith("line ")] == [
        "line 1",
        "line 2",
        "line 3",
    ]
    await pipe.drain()
    assert await pipe.reasons() == ["too_old"] * 3
