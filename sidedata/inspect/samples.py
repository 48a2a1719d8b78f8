"""A bounded look at what is stored: how much memory each kind of key and each workflow takes, and which keys lack a TTL.

SCAN goes through keys by their hash, so the first so many of a scan are as good as drawn by lot; in a cluster each master
gives its share. All is done in small steps between which Redis serves others, whatever the number of keys.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from redis.asyncio.cluster import RedisCluster

from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.schema.key_names import KeyName, parse

_PAGE: Final = 200
# A key that has none for a moment, between the commands of a script, is never seen: scripts run alone.
_NO_TTL: Final = -1


class KindMemory(msgspec.Struct, frozen=True):
    """Keys of one kind among those looked at, their bytes, and what that makes of the whole."""

    kind: str
    keys: int
    bytes: int
    estimated_keys: int
    estimated_bytes: int


class WorkflowMemory(msgspec.Struct, frozen=True):
    """A workflow's buckets among the keys looked at; `name` and `kind` are those of its record."""

    organization: str
    workflow: str
    keys: int
    bytes: int
    estimated_bytes: int
    kind: str = ""
    name: str = ""


class Memory(msgspec.Struct, frozen=True):
    """What a sample came to: `keys` are there, `sampled` were looked at; the greatest come first."""

    keys: int
    sampled: int
    by_kind: list[KindMemory]
    workflows: list[WorkflowMemory]

    @property
    def estimated_bytes(self) -> int:
        """All keys together."""
        return sum(kind.estimated_bytes for kind in self.by_kind)


class Oddities(msgspec.Struct, frozen=True):
    """Keys that were looked at, and among them: without the TTL that they should have, of no function of ours, of no partition."""

    sampled: int
    without_ttl: list[str]
    strange: list[str]
    stray: list[str]


async def read_memory(client: Client, most: int, *, workflows: int = 10) -> Memory:
    """Sample `most` keys and measure them; the `workflows` biggest get their names.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis forbids it.
    """
    kinds: Counter[str] = Counter()
    kind_bytes: Counter[str] = Counter()
    flows: Counter[tuple[int, str, str]] = Counter()
    flow_bytes: Counter[tuple[int, str, str]] = Counter()
    sampled = 0
    async for page in pages(client, most):
        for name, size in zip(page, await _sizes(client, page), strict=True):
            if size is None:  # it went in between
                continue
            sampled += 1
            parsed = parse(name)
            kind = parsed.kind if parsed else "of others"
            kinds[kind] += 1
            kind_bytes[kind] += size
            if parsed and parsed.partition is not None and parsed.organization and parsed.workflow:
                flow = (parsed.partition, parsed.organization, parsed.workflow)
                flows[flow] += 1
                flow_bytes[flow] += size
    total = await key_count(client)
    # Fewer keys than the sample allows: all were seen, and whatever came or went meanwhile is no reason to scale.
    scale = total / sampled if sampled >= most else 1.0
    return Memory(
        keys=total,
        sampled=sampled,
        by_kind=[
            KindMemory(kind, kinds[kind], size, round(kinds[kind] * scale), round(size * scale))
            for kind, size in kind_bytes.most_common()
        ],
        workflows=[
            await _named(client, flow[0], WorkflowMemory(*flow[1:], flows[flow], size, round(size * scale)))
            for flow, size in flow_bytes.most_common(workflows)
        ],
    )


async def read_oddities(client: Client, most: int, partitions: int) -> Oddities:
    """Sample `most` keys of an installation with so many partitions, and ask for their TTLs.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    sampled = 0
    without: list[str] = []
    strange: list[str] = []
    stray: list[str] = []
    async for page in pages(client, most):
        for name, ttl in zip(page, await _ttls(client, page), strict=True):
            sampled += 1
            parsed: KeyName | None = parse(name)
            if parsed is None:
                strange.append(name)
            elif parsed.partition is not None and parsed.partition >= partitions:
                stray.append(name)
            elif ttl == _NO_TTL and not parsed.about.endless:
                without.append(name)
    return Oddities(sampled, without, strange, stray)


async def pages(client: Client, most: int) -> AsyncIterator[list[str]]:
    """At most `most` names of keys that begin with `sd:`, in pages; a scan may name a key twice.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    nodes = client.get_primaries() if isinstance(client, RedisCluster) else [None]
    if isinstance(client, RedisCluster) and not nodes:
        with translated():
            await client.initialize()
        nodes = client.get_primaries()
    for place, node in enumerate(nodes):
        left = most * (place + 1) // len(nodes) - most * place // len(nodes)
        options: dict[str, Any] = {} if node is None else {"target_nodes": node}
        cursor: Any = 0
        while left > 0:
            with translated():
                cursor, names = await client.scan(cursor, match="sd:*", count=_PAGE, **options)
            if node is not None:
                cursor = cursor[node.name]
            page = [name.decode(errors="replace") for name in names[:left]]
            left -= len(page)
            if page:
                yield page
            if not cursor:
                break


async def key_count(client: Client) -> int:
    """How many keys there are, those of others included."""
    with translated():
        return int(await client.dbsize())


async def _sizes(client: Client, names: list[str]) -> list[int | None]:
    """Bytes of each; None where it is gone."""
    pipeline = client.pipeline(transaction=False)
    for name in names:
        # By its words and not by `memory_usage`, for which the cluster's client finds no node. 0: no element is guessed.
        pipeline.execute_command("MEMORY USAGE", name, "SAMPLES", 0)
    return await _executed(pipeline)


async def _ttls(client: Client, names: list[str]) -> list[int]:
    """What is left of the life of each, ms; -1: it has no end, -2: it is gone."""
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.pttl(name)
    return await _executed(pipeline)


async def _executed(pipeline: Any) -> list[Any]:  # noqa: ANN401 - the client's own
    with translated():
        replies: list[Any] = await pipeline.execute()
    return replies


async def _named(client: Client, partition: int, workflow: WorkflowMemory) -> WorkflowMemory:
    with translated():
        kind, name = await client.hmget(
            keys.workflow(partition, workflow.organization, workflow.workflow), ["kind", "name"]
        )
    return msgspec.structs.replace(workflow, kind=(kind or b"").decode(), name=(name or b"").decode())
