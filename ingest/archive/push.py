"""The sending of an archive to the ingest streams, unchanged, at the workers' pace."""

import asyncio
import time
from collections.abc import Callable, Iterable

from sidedata.calendar.reporting import reporting_zone
from sidedata.errors import CommandRefusedError, StopError, StoreUnavailableError, UsageError
from sidedata.ingest.archive.batch_sender import BatchSender
from sidedata.ingest.archive.judge import Judge, ZoneDecidesError
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.archive.report import ArchiveReport
from sidedata.producer.errors import DeliveryFailed
from sidedata.producer.limits import Limits
from sidedata.reads.records import read_organization
from sidedata.redis.gateway import Gateway
from sidedata.schema.keys import keyspace
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.settings import Settings

_ATTEMPTS = 10
_TROUBLE_SECONDS = 0.5  # a reason that two looks in turn find is reported


async def push(
    gateway: Gateway,
    settings: Settings,
    lines: Iterable[Line],
    report: ArchiveReport,
    progress: Callable[[], None] = lambda: None,
    trouble: Callable[[str], None] = lambda _: None,
) -> None:
    """Send all readable lines and count them in `report`; while the backlog is full, it waits.

    Lines are sent unchanged, without new ids. A batch whose connection broke is sent again: events with ids count once, events
    without may count twice.

    Args:
        progress: called whenever some lines have been sent.
        trouble: called with the reason once batches have had to wait for a second.

    Raises:
        StoreUnavailableError: Redis stayed out of reach.
        StopError: Redis refused for good.
        ArchiveError: the rest of the file can't be read; the lines before it were sent.
    """
    limits = Limits(backlog_limit=settings.backlog_limit, wait_replicas=settings.wait_replicas, attempts=_ATTEMPTS)
    sender = BatchSender(gateway, limits)
    judge = Judge(settings, time.time())
    oldest_us, newest_us = judge.accepted_us
    watch = asyncio.create_task(_watch(sender, trouble))
    try:
        for line in lines:
            if line.event is None or not oldest_us <= line.event.at_us <= newest_us:  # few
                try:
                    readable = report.judge(line, judge)
                except ZoneDecidesError as error:
                    readable = await _judge_by_zone(gateway, line, judge, report, error.organization)
                if not readable:
                    continue
            if sender.put(line.raw, line.partition):
                await sender.send()
                if sender.failure is not None:
                    break  # the rest of the file would fail likewise
                await asyncio.sleep(0)  # reading blocks the event loop; batches are sent in between
                report.events = sender.sent
                progress()
    finally:
        try:
            await sender.close()
        except DeliveryFailed as error:
            failure = StopError if isinstance(sender.failure, StopError) else StoreUnavailableError
            raise failure(str(error)) from error
        finally:
            watch.cancel()
            report.events = sender.sent
            progress()


async def _watch(sender: BatchSender, trouble: Callable[[str], None]) -> None:
    """Report each reason for which batches wait, once."""
    reported = before = ""
    while True:
        await asyncio.sleep(_TROUBLE_SECONDS)
        if sender.trouble and sender.trouble == before != reported:
            trouble(sender.trouble)
            reported = sender.trouble
        before = sender.trouble


async def _judge_by_zone(gateway: Gateway, line: Line, judge: Judge, report: ArchiveReport, organization: str) -> bool:
    """Judge a line by its organization's reporting zone; where this account may not read it, the line is undecided."""
    try:
        record = await read_organization(gateway, keyspace(line.partition), organization)
        stored = (DEFAULT_ZONE, None) if record is None else (record.timezone, record.zone_rules)
        judge.learn(organization, reporting_zone(*stored))
    except (CommandRefusedError, UsageError):
        report.undecided += 1
        return True
    return report.judge(line, judge)
