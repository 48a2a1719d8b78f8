"""The doctor: it examines an installation and reports a finding for each subject, with advice where something is wrong.

It only reads: nothing is written, not even the configuration of an installation that does not exist yet.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

from sidedata.conditions import condition_of
from sidedata.errors import SidedataError
from sidedata.events.dead_letter import DeadLetter
from sidedata.inspect.finding import Finding
from sidedata.inspect.health import Status
from sidedata.inspect.overview import read_overview
from sidedata.inspect.samples import read_anomalies
from sidedata.inspect.server_findings import reachable, redis_findings
from sidedata.inspect.settings_findings import settings_findings
from sidedata.inspect.zones import ADVICE as ADVICE_ON_ZONES
from sidedata.inspect.zones import zone_check
from sidedata.plural import counted
from sidedata.reads.partitions import live_workers, read_partitions
from sidedata.reads.records import read_configuration
from sidedata.reads.streams import dead_letters_before, seen_dead_letter
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import SCHEMA, Installation, fingerprint
from sidedata.schema.keys import keyspace
from sidedata.settings import Settings

_LATE_SECONDS: Final = 10.0
_STUCK_SECONDS: Final = 300.0
_TICK_SECONDS: Final = 1.0
_MAX_LISTED: Final = 5


async def examine(
    gateway: Gateway, settings: Settings, environ: Mapping[str, str], *, sample: int = 20_000
) -> list[Finding]:
    """Examine everything; where Redis doesn't answer, or holds no installation, the list ends there."""
    findings = settings_findings(settings, environ)
    findings += await redis_findings(gateway, settings.wait_replicas, settings.partitions)
    if not reachable(findings):
        return findings
    installation, more = await _installation(gateway, settings)
    findings += more
    if installation is None:
        return findings
    for examination in (
        _leases(gateway, installation, settings),
        _streams(gateway, installation, settings),
        _dead_letters(gateway, installation, settings),
        _keys(gateway, installation, sample),
        _zones(gateway),
    ):
        findings += await _or_failure(examination)
    return findings


async def _or_failure(examination: Awaitable[list[Finding]]) -> list[Finding]:
    """Return the findings of an examination, or its failure as a finding."""
    try:
        return await examination
    except SidedataError as error:
        return [Finding("redis", "failed", str(error), f"{condition_of(error).advice}; then run the doctor again")]


async def _installation(gateway: Gateway, settings: Settings) -> tuple[Installation | None, list[Finding]]:
    name = "installation"
    try:
        configuration = await read_configuration(gateway)
    except SidedataError as error:
        return None, [Finding(name, "failed", str(error), condition_of(error).advice)]
    if configuration.partitions is None or configuration.schema is None:
        advice = "start a service or a worker, which makes one; or is this the wrong Redis?"
        return None, [Finding(name, "failed", "there is none in this Redis", advice)]
    findings = []
    if configuration.schema != SCHEMA:
        detail = f"schema {configuration.schema}, this program knows {SCHEMA}"
        findings.append(Finding(name, "failed", detail, "run the matching version"))
    if settings.partitions not in (0, configuration.partitions):
        detail = f"SIDEDATA_PARTITIONS is {settings.partitions}, the installation has {configuration.partitions}"
        findings.append(Finding(name, "failed", detail, "unset it; the number is fixed when an installation is made"))
    if settings.secret and configuration.secret not in (None, fingerprint(settings.secret)):
        detail = "SIDEDATA_SECRET is not the one that the installation was created with"
        findings.append(Finding(name, "failed", detail, "give this process the secret that the others have"))
    if not findings:
        compared = settings.secret and configuration.secret is not None
        secret = "the secret fits" if compared else "the secret was not compared: none is set here"
        findings.append(
            Finding(
                name, "ok", f"{counted(configuration.partitions, 'partition')}, schema {configuration.schema}, {secret}"
            )
        )
    return Installation(configuration.partitions), findings


async def _leases(gateway: Gateway, installation: Installation, settings: Settings) -> list[Finding]:
    """Compare two readings, because a partition that is being handed over has no owner for a moment."""
    free, orphaned = await _orphans(gateway, installation, settings)
    if not free and not orphaned:
        return [Finding("leases", "ok", "every partition has exactly one owner, and it is alive")]
    await asyncio.sleep(settings.lease_ms / 1000 + _TICK_SECONDS)
    still_free, still_orphaned = await _orphans(gateway, installation, settings)
    findings = []
    if lasting := sorted(free & still_free):
        advice = "start a worker, or see in its log why it doesn't take them (`sidedata worker`)"
        detail = f"no worker owns {_some(lasting, installation.partitions)}"
        findings.append(Finding("leases", "failed", detail, advice))
    if lasting := sorted(orphaned & still_orphaned):
        advice = "their workers hold leases without a heartbeat: look at those processes, and restart them"
        detail = f"an owner that is not alive has {_some(lasting, installation.partitions)}"
        findings.append(Finding("leases", "failed", detail, advice))
    return findings or [Finding("leases", "ok", "partitions were being handed over, and are owned now")]


async def _orphans(gateway: Gateway, installation: Installation, settings: Settings) -> tuple[set[int], set[int]]:
    """Read the partitions without an owner, and those with an owner that is not alive."""
    states = await read_partitions(gateway, installation.partitions)
    alive = set(await live_workers(gateway, settings.lease_ms))
    return (
        {state.partition for state in states if not state.owner},
        {state.partition for state in states if state.owner and state.owner not in alive},
    )


def _some(partitions: Sequence[int], of: int) -> str:
    if len(partitions) == of:
        return "any partition" if of > 1 else "the only partition"
    listing = ", ".join(map(str, partitions[:_MAX_LISTED]))
    more = f" and {len(partitions) - _MAX_LISTED} more" if len(partitions) > _MAX_LISTED else ""
    return f"partition{'s' * (len(partitions) > 1)} {listing}{more}"


async def _streams(gateway: Gateway, installation: Installation, settings: Settings) -> list[Finding]:
    overview = await read_overview(gateway, installation, settings)
    late = [state.partition for state in overview.states if state.lag_seconds > _LATE_SECONDS]
    over = [state.partition for state in overview.states if state.lag_entries > settings.backlog_limit]
    detail = (
        f"{counted(overview.lag_entries, 'entry waits', 'entries wait')}, the oldest for {overview.lag_seconds:.1f} s"
    )
    if over:
        advice = "HTTP ingest answers 503 there; start more workers, or find the cause with `sidedata inspect --watch`"
        return [Finding("streams", "failed", f"{detail}; over SIDEDATA_BACKLOG_LIMIT: {_some(over, 0)}", advice)]
    if late:
        status: Status = "failed" if overview.lag_seconds > _STUCK_SECONDS else "warning"
        advice = "are workers alive, and do they keep up? `sidedata inspect --watch` shows if the backlog shrinks"
        return [Finding("streams", status, f"{detail}; late: {_some(late, 0)}", advice)]
    return [Finding("streams", "ok", detail)]


async def _dead_letters(gateway: Gateway, installation: Installation, settings: Settings) -> list[Finding]:
    overview = await read_overview(gateway, installation, settings)
    reasons: Counter[str] = Counter()
    for state in overview.states:
        if state.dead_letters:
            space = keyspace(state.partition)
            newest_seen = await seen_dead_letter(gateway, space)
            newest = await dead_letters_before(gateway, space, "+", 1)
            reasons.update(dead_letter.reason or "?" for dead_letter in newest if _position(dead_letter) > newest_seen)
    if reasons:
        names = ", ".join(reason for reason, _ in reasons.most_common())
        advice = (
            "`sidedata dead list` shows them; correct their sender, then `sidedata dead replay --all`; "
            "`sidedata dead seen` marks them as looked at"
        )
        return [Finding("dead letters", "failed", f"{overview.dead_letters}, some of them not seen ({names})", advice)]
    if overview.dead_letters:
        advice = "`sidedata dead replay --all` sends them again, `sidedata dead drop --all` deletes them"
        return [Finding("dead letters", "warning", f"{overview.dead_letters}, all of them seen", advice)]
    return [Finding("dead letters", "ok", "none")]


async def _zones(gateway: Gateway) -> list[Finding]:
    check = await zone_check(gateway)
    advice = ""
    if check.status == "warning":
        advice = ADVICE_ON_ZONES["waiting" if "wait" in check.detail else "older"]
    return [Finding(check.name, check.status, check.detail, advice)]


def _position(dead_letter: DeadLetter) -> tuple[int, int]:
    """A dead letter's id in its stream: milliseconds and sequence."""
    ms, _, sequence = dead_letter.stream_id.partition("-")
    return int(ms), int(sequence)


async def _keys(gateway: Gateway, installation: Installation, sample: int) -> list[Finding]:
    anomalies = await read_anomalies(gateway, sample, installation.partitions)
    findings = []
    for anomaly, names, advice in (
        (
            "should end and have no TTL",
            anomalies.without_ttl,
            "PERSIST or a copy did it; DEL old ones, `sidedata inspect key NAME` explains them",
        ),
        (
            "are of another type than sidedata's",
            anomalies.wrong_type,
            "another program writes `sd:…` keys here; give it another prefix or Redis, and DEL these keys",
        ),
        (
            "are none that sidedata makes",
            anomalies.unrecognised,
            "another program writes `sd:…` keys here; give it another prefix or Redis",
        ),
        (
            "are of partitions that don't exist",
            anomalies.foreign_partition,
            "a producer assumes another number of partitions: correct it; no worker reads those keys",
        ),
    ):
        if names:
            listing = ", ".join(names[:_MAX_LISTED]) + (", …" if len(names) > _MAX_LISTED else "")
            findings.append(
                Finding(
                    "keys", "failed", f"{len(names)} of {anomalies.sampled} sampled keys {anomaly}: {listing}", advice
                )
            )
    return findings or [
        Finding("keys", "ok", f"all of {anomalies.sampled} sampled keys are known, with the right type and TTL")
    ]
