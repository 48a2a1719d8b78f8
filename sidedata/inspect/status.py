"""The status of an installation at one look: servers, workers, backlog, freshness, dead letters, the doctor's findings."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from sidedata.events.timestamps import from_milliseconds
from sidedata.inspect.doctor import examine
from sidedata.inspect.finding import Finding
from sidedata.inspect.overview import Overview, read_overview
from sidedata.reads.partitions import live_workers
from sidedata.reads.servers import read_servers, read_time_ms
from sidedata.reads.streams import dead_letters_before
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.keys import keyspace
from sidedata.settings import Settings

UNKNOWN: Final = "unknown"
_LETTERS: Final = 1_000  # the newest of a partition that are read
_SAMPLE: Final = 1_000  # keys that the doctor looks at


class ServerStatus(Struct, frozen=True):
    """A server: product and version, and its memory in bytes; None for a fact that this user may not read."""

    product: str
    version: str | None
    used_memory: int | None


class InstallationStatus(Struct, frozen=True):
    """The status; times are RFC 3339 by Redis's clock.

    `oldest_unapplied_at` is the time at which the oldest entry that waits has entered its stream, None where none waits. Every
    event that had entered the stream by `as_of` is in the numbers or a dead letter. `dead_letters_by_organization` counts the
    newest letters of each partition, `dead_letters_read` in all, as far as they tell their organization.
    """

    servers: list[ServerStatus]
    workers: list[str]
    partitions: int
    partitions_owned: int
    lag_entries: int
    lag_seconds: float
    oldest_unapplied_at: str | None
    as_of: str
    dead_letters: int
    dead_letters_read: int
    dead_letters_by_organization: dict[str, int]
    problems: int
    findings: list[Finding]


async def read_status(
    gateway: Gateway, installation: Installation, settings: Settings, environ: Mapping[str, str]
) -> InstallationStatus:
    """Read the status; it only reads.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    servers = await read_servers(gateway)
    overview = await read_overview(gateway, installation, settings)
    now_ms = await read_time_ms(gateway)
    oldest = from_milliseconds(now_ms - round(overview.lag_seconds * 1000))
    by_organization = await _letters(gateway, overview)
    findings = await examine(gateway, settings, environ, sample=_SAMPLE)
    return InstallationStatus(
        servers=[ServerStatus(server.product, server.version, server.used_memory) for server in servers],
        workers=await live_workers(gateway, settings.lease_ms),
        partitions=overview.partitions,
        partitions_owned=sum(bool(state.owner) for state in overview.states),
        lag_entries=overview.lag_entries,
        lag_seconds=overview.lag_seconds,
        oldest_unapplied_at=oldest if overview.lag_entries else None,
        as_of=oldest,
        dead_letters=overview.dead_letters,
        dead_letters_read=by_organization.total(),
        dead_letters_by_organization=dict(by_organization.most_common()),
        problems=sum(finding.problem for finding in findings),
        findings=findings,
    )


async def _letters(gateway: Gateway, overview: Overview) -> Counter[str]:
    """Count the newest dead letters by organization."""
    counts: Counter[str] = Counter()
    for state in overview.states:
        if state.dead_letters:
            dead_letters = await dead_letters_before(gateway, keyspace(state.partition), "+", _LETTERS)
            counts.update(dead_letter.organization or UNKNOWN for dead_letter in dead_letters)
    return counts
