"""The check of zone data: the release that this machine has, against the one that reports are cut by."""

import asyncio
import time
from typing import Final

from sidedata.calendar.reporting import process_sources
from sidedata.calendar.rules import UNKNOWN, release_order
from sidedata.errors import SidedataError
from sidedata.inspect.health import CHECK_SECONDS, Check
from sidedata.reads.records import read_configuration
from sidedata.reads.zones.organizations import table_releases
from sidedata.redis.gateway import Gateway

ADVICE: Final = {
    "older": "update the `tzdata` package and the system's zone data here, or leave it: reports use the stored rules",
    "waiting": "workers adopt newer rules within an hour; if it lasts, update the zone data of their machines",
}
_NAME: Final = "zone data"


async def zone_check(gateway: Gateway) -> Check:
    """Compare this machine's zone data with the releases of the rules that are stored."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            machine = await asyncio.to_thread(machine_release)
            configuration = await read_configuration(gateway)
            releases = await table_releases(gateway, range(configuration.partitions or 0))
    except (SidedataError, TimeoutError) as error:
        return Check(_NAME, "unknown", f"the stored rules of zones can't be read: {error}")
    return judge(machine, releases)


def machine_release() -> str:
    """The release of this machine's zone data, "unknown" where they name none; blocks for some 100 ms."""
    return process_sources().data(time.time()).release


def compare(machine: str, stored: str) -> str:
    """Say how a machine's release stands to that of an organization's rules."""
    if machine == UNKNOWN:
        return "of no known release; they replace no stored rules"
    if release_order(machine) < release_order(stored):
        return f"{machine}, older than these rules; reports use these rules all the same"
    if release_order(machine) > release_order(stored):
        return f"{machine}, newer than these rules; they wait to be adopted by a worker"
    return f"{machine}, like these rules"


def judge(machine: str, stored: list[str]) -> Check:
    """Judge a machine's release by those of the stored rules."""
    if machine == UNKNOWN:
        return Check(_NAME, "unknown", "this machine's zone data name no release; they replace no stored rules")
    if not stored:
        return Check(_NAME, "ok", f"release {machine}; no worker has compared it with the stored rules yet")
    newest, oldest = max(stored, key=release_order), min(stored, key=release_order)
    if release_order(machine) < release_order(newest):
        return Check(
            _NAME, "warning", f"this machine's zone data are of {machine}, older than the stored rules of {newest}"
        )
    if release_order(machine) > release_order(oldest):
        return Check(
            _NAME, "warning", f"zone data of {machine} are here and wait to be adopted; stored rules are of {oldest}"
        )
    return Check(_NAME, "ok", f"release {machine}, like the stored rules of zones")
