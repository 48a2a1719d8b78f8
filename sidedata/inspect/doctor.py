"""What can be wrong with an installation, and what to do about it: one finding for each thing that was looked at.

It only looks: nothing is written, not even the facts of an installation that isn't there yet.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

from sidedata.errors import SidedataError
from sidedata.inspect.health import Status
from sidedata.inspect.overview import Overview, read_overview
from sidedata.inspect.samples import read_oddities
from sidedata.inspect.server_findings import ADVICE, Finding, reachable, redis_findings
from sidedata.redis.client import Client, server_ms, translated
from sidedata.schema import keys
from sidedata.schema.installation import SCHEMA, Installation, fingerprint
from sidedata.settings import Settings, unknown_variables

_LATE_SECONDS: Final = 10.0
_STUCK_SECONDS: Final = 300.0
_RECENT_MS: Final = 24 * 3600 * 1000
_ATTRIBUTION_HOURS: Final = 48  # how long a visitor's interactions and goals are remembered at the most
_SHORT_SECRET: Final = 16
_TICK_SECONDS: Final = 1.0
_NAMED: Final = 5


async def examine(
    client: Client, settings: Settings, environ: Mapping[str, str], *, sample: int = 20_000
) -> list[Finding]:
    """Look at everything; where Redis doesn't answer, or holds no installation, the list ends there."""
    findings = check_settings(settings, environ)
    findings += await redis_findings(client, settings.wait_replicas)
    if not reachable(findings):
        return findings
    installation, told = await _installation(client, settings)
    findings += told
    if installation is None:
        return findings
    for look in (_leases, _streams, _dead):
        findings += await _told(look(client, installation, settings))
    findings += await _told(_keys(client, installation, sample))
    return findings


async def _told(look: Awaitable[list[Finding]]) -> list[Finding]:
    """What a look found, or that it was forbidden."""
    try:
        return await look
    except SidedataError as error:
        return [
            Finding(
                "redis", "failed", str(error), "see that Redis stays reachable and lets this user read; then ask again"
            )
        ]


# --- settings ---------------------------------------------------------------------------------------------------------


def check_settings(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Values that are allowed and yet hardly meant, and variables that nobody reads."""
    found = [
        Finding(
            "settings",
            "warning",
            f"{name} is set, and there is no such setting",
            f"{meant} may be meant" if meant else "unset it; README lists all settings",
        )
        for name, meant in unknown_variables(environ).items()
    ]
    if settings.secret and len(settings.secret) < _SHORT_SECRET:
        found.append(
            Finding(
                "settings",
                "warning",
                f"SIDEDATA_SECRET has {len(settings.secret)} characters: whoever guesses it can tell visitors' hashes",
                "a new installation should get 32 random bytes, such as of `openssl rand -base64 32`",
            )
        )
    if settings.affect_hours > _ATTRIBUTION_HOURS:
        found.append(
            Finding(
                "settings",
                "warning",
                f"SIDEDATA_AFFECT_HOURS is {settings.affect_hours}, but interactions are remembered {_ATTRIBUTION_HOURS} hours",
                f"set it to {_ATTRIBUTION_HOURS} or less; what is beyond isn't counted as affected",
            )
        )
    if settings.lease_ms < 1000:
        found.append(
            Finding(
                "settings",
                "warning",
                f"SIDEDATA_LEASE_MS is {settings.lease_ms}: workers renew twice a second and would lose what they own",
                "set it to 2000 or more",
            )
        )
    return found or [Finding("settings", "ok", "nothing unusual is set")]


# --- what is stored ---------------------------------------------------------------------------------------------------


async def _installation(client: Client, settings: Settings) -> tuple[Installation | None, list[Finding]]:
    name = "installation"
    try:
        with translated():
            stored = {key.decode(): value.decode() for key, value in (await client.hgetall(keys.CONFIG)).items()}
    except SidedataError as error:
        return None, [Finding(name, "failed", str(error), ADVICE["redis"])]
    if "partitions" not in stored or "schema" not in stored:
        advice = "start a service or a worker, which makes one; or is this the wrong Redis?"
        return None, [Finding(name, "failed", "there is none in this Redis", advice)]
    found = []
    partitions, schema = int(stored["partitions"]), int(stored["schema"])
    if schema != SCHEMA:
        found.append(
            Finding(name, "failed", f"schema {schema}, this program knows {SCHEMA}", "run the matching version")
        )
    if settings.partitions not in (0, partitions):
        detail = f"SIDEDATA_PARTITIONS is {settings.partitions}, the installation has {partitions}"
        found.append(Finding(name, "failed", detail, "unset it; the number is fixed when an installation is made"))
    if settings.secret and stored.get("secret") not in (None, fingerprint(settings.secret)):
        detail = "SIDEDATA_SECRET is not the one that the installation was created with"
        found.append(Finding(name, "failed", detail, "give this process the secret that the others have"))
    if not found:
        known = (
            "the secret fits"
            if settings.secret and "secret" in stored
            else "the secret was not compared: none is set here"
        )
        found.append(Finding(name, "ok", f"{partitions} partitions, schema {schema}, {known}"))
    return Installation(partitions), found


async def _leases(client: Client, installation: Installation, settings: Settings) -> list[Finding]:
    """Look twice, for a partition that is being handed over has no owner for a moment; what persists is told."""
    first = await _orphans(client, installation, settings)
    if not any(first.values()):
        return [Finding("leases", "ok", "every partition has exactly one owner, and it lives")]
    await asyncio.sleep(settings.lease_ms / 1000 + _TICK_SECONDS)
    second = await _orphans(client, installation, settings)
    lasting = {what: sorted(set(first[what]) & set(second[what])) for what in first}
    found = []
    if free := lasting["nobody"]:
        advice = "start a worker, or see in its log why it doesn't take them (`sidedata worker`)"
        found.append(Finding("leases", "failed", f"nobody owns {_some(free, installation.partitions)}", advice))
    if orphaned := lasting["dead"]:
        advice = "their workers hold leases without a heartbeat: look at those processes, and restart them"
        found.append(
            Finding(
                "leases", "failed", f"an owner that is not alive has {_some(orphaned, installation.partitions)}", advice
            )
        )
    return found or [Finding("leases", "ok", "partitions were being handed over, and are owned now")]


async def _orphans(client: Client, installation: Installation, settings: Settings) -> dict[str, list[int]]:
    overview = await read_overview(client, installation, settings)
    with translated():
        now_ms = await server_ms(client, keys.WORKERS)
        names = await client.zrangebyscore(keys.WORKERS, now_ms - settings.lease_ms, "+inf")
    alive = {name.decode() for name in names}
    return {
        "nobody": [state.partition for state in overview.states if not state.owner],
        "dead": [state.partition for state in overview.states if state.owner and state.owner not in alive],
    }


def _some(partitions: Sequence[int], of: int) -> str:
    if len(partitions) == of:
        return "any partition" if of > 1 else "the only partition"
    named = ", ".join(map(str, partitions[:_NAMED]))
    more = f" and {len(partitions) - _NAMED} more" if len(partitions) > _NAMED else ""
    return f"partition{'s' * (len(partitions) > 1)} {named}{more}"


async def _streams(client: Client, installation: Installation, settings: Settings) -> list[Finding]:
    overview: Overview = await read_overview(client, installation, settings)
    late = [state.partition for state in overview.states if state.lag_seconds > _LATE_SECONDS]
    over = [state.partition for state in overview.states if state.lag_entries > settings.backlog_limit]
    detail = f"{overview.lag_entries} entries wait, the oldest for {overview.lag_seconds:.1f} s"
    if over:
        advice = (
            "HTTP ingest answers 503 there; start more workers, or find what holds them up (`sidedata inspect --watch`)"
        )
        return [Finding("streams", "failed", f"{detail}; over SIDEDATA_BACKLOG_LIMIT: {_some(over, 0)}", advice)]
    if late:
        status: Status = "failed" if overview.lag_seconds > _STUCK_SECONDS else "warning"
        advice = "are workers alive, and do they keep up? `sidedata inspect --watch` shows whether it shrinks"
        return [Finding("streams", status, f"{detail}; late: {_some(late, 0)}", advice)]
    return [Finding("streams", "ok", detail)]


async def _dead(client: Client, installation: Installation, settings: Settings) -> list[Finding]:
    overview = await read_overview(client, installation, settings)
    reasons: Counter[str] = Counter()
    for state in overview.states:
        if state.dead_letters:
            stream = keys.dead(state.partition)
            with translated():
                now_ms = await server_ms(client, stream)
                newest = await client.xrevrange(stream, count=1)
            reasons.update(
                fields.get(b"reason", b"?").decode(errors="replace")
                for entry, fields in newest
                if int(entry.partition(b"-")[0]) > now_ms - _RECENT_MS
            )
    if reasons:
        why = ", ".join(reason for reason, _ in reasons.most_common())
        advice = "`sidedata dead list` shows them; mend what sends them, then `sidedata dead replay --all`"
        return [
            Finding("dead letters", "warning", f"{overview.dead_letters}, some of the last 24 hours ({why})", advice)
        ]
    return [Finding("dead letters", "ok", f"{overview.dead_letters}, none of the last 24 hours")]


async def _keys(client: Client, installation: Installation, sample: int) -> list[Finding]:
    seen = await read_oddities(client, sample, installation.partitions)
    found = []
    for what, names, advice in (
        (
            "should end and have no TTL",
            seen.without_ttl,
            "PERSIST or a copy did it; DEL what is old, `sidedata inspect key NAME` tells",
        ),
        (
            "are none that sidedata makes",
            seen.strange,
            "another program writes `sd:…` keys here; give it another prefix or Redis",
        ),
        (
            "are of partitions that don't exist",
            seen.stray,
            "a producer reckons with another number of partitions: correct it; nobody reads those keys",
        ),
    ):
        if names:
            shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            found.append(
                Finding("keys", "failed", f"{len(names)} of {seen.sampled} keys looked at {what}: {shown}", advice)
            )
    return found or [
        Finding("keys", "ok", f"{seen.sampled} keys looked at: all are known and live as long as they should")
    ]
