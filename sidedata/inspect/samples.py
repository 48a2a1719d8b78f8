"""Evaluations of a sample of keys: the memory of each kind of key and of each workflow, and keys that should not be as they are."""

from collections import Counter

from msgspec import Struct
from msgspec.structs import replace

from sidedata.reads.keys.samples import read_sizes, read_states, sample_names
from sidedata.reads.records import read_workflow
from sidedata.reads.servers import key_count
from sidedata.redis.gateway import Gateway
from sidedata.schema.key_names import parse
from sidedata.schema.keys import keyspace

_FOREIGN = "of others"


class KindMemory(Struct, frozen=True):
    """The sampled keys of one kind, their bytes, and the estimates for all keys."""

    kind: str
    keys: int
    bytes: int
    estimated_keys: int
    estimated_bytes: int


class WorkflowMemory(Struct, frozen=True):
    """The sampled keys of a workflow's buckets; `name` and `kind` are those of its record."""

    organization: str
    workflow: str
    keys: int
    bytes: int
    estimated_bytes: int
    kind: str = ""
    name: str = ""


class Memory(Struct, frozen=True):
    """The memory that a sample shows: `keys` exist, `sampled` were measured; the greatest come first."""

    keys: int
    sampled: int
    by_kind: list[KindMemory]
    workflows: list[WorkflowMemory]

    @property
    def estimated_bytes(self) -> int:
        """The estimated bytes of all keys together."""
        return sum(kind.estimated_bytes for kind in self.by_kind)


class Anomalies(Struct, frozen=True):
    """The number of sampled keys, and the names of those that contradict the table of keys.

    Args:
        without_ttl: keys without the TTL that they should have.
        wrong_type: keys of another type than the table names.
        unrecognised: names that fit no pattern of the table.
        foreign_partition: keys of a partition that does not exist.
    """

    sampled: int
    without_ttl: list[str]
    wrong_type: list[str]
    unrecognised: list[str]
    foreign_partition: list[str]


async def read_memory(gateway: Gateway, most: int, *, workflows: int = 10) -> Memory:
    """Sample `most` keys and measure them; the `workflows` biggest workflows get their names.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refuses a command.
    """
    kinds: Counter[str] = Counter()
    kind_bytes: Counter[str] = Counter()
    workflow_keys: Counter[tuple[int, str, str]] = Counter()
    workflow_bytes: Counter[tuple[int, str, str]] = Counter()
    sampled = 0
    async for page in sample_names(gateway, most):
        for name, size in zip(page, await read_sizes(gateway, page), strict=True):
            if size is None:  # it was deleted or expired after the scan
                continue
            sampled += 1
            parsed = parse(name)
            kind = parsed.kind if parsed else _FOREIGN
            kinds[kind] += 1
            kind_bytes[kind] += size
            if parsed and parsed.partition is not None and parsed.organization and parsed.workflow:
                ids = (parsed.partition, parsed.organization, parsed.workflow)
                workflow_keys[ids] += 1
                workflow_bytes[ids] += size
    total = await key_count(gateway)
    # Fewer keys than the sample allows: all were seen, and keys that came or went meanwhile are no reason to scale.
    scale = total / sampled if sampled >= most else 1.0
    return Memory(
        keys=total,
        sampled=sampled,
        by_kind=[
            KindMemory(kind, kinds[kind], size, round(kinds[kind] * scale), round(size * scale))
            for kind, size in kind_bytes.most_common()
        ],
        workflows=[
            await _with_name(gateway, ids[0], WorkflowMemory(*ids[1:], workflow_keys[ids], size, round(size * scale)))
            for ids, size in workflow_bytes.most_common(workflows)
        ],
    )


async def read_anomalies(gateway: Gateway, most: int, partitions: int) -> Anomalies:
    """Sample `most` keys of an installation and compare names, types and TTLs with the table of keys.

    Raises:
        StoreUnavailableError: Redis is out of reach.
        StopError: Redis refuses a command.
    """
    anomalies = Anomalies(0, [], [], [], [])
    sampled = 0
    async for page in sample_names(gateway, most):
        for name, state in zip(page, await read_states(gateway, page), strict=True):
            sampled += 1
            parsed = parse(name)
            if parsed is None:
                anomalies.unrecognised.append(name)
            elif parsed.partition is not None and parsed.partition >= partitions:
                anomalies.foreign_partition.append(name)
            elif state is None:  # it was deleted or expired after the scan
                continue
            elif parsed.stored_type not in (state.type, "any"):
                anomalies.wrong_type.append(name)
            elif state.ttl_ms is None and not parsed.row.endless:
                anomalies.without_ttl.append(name)
    return replace(anomalies, sampled=sampled)


async def _with_name(gateway: Gateway, partition: int, memory: WorkflowMemory) -> WorkflowMemory:
    record = await read_workflow(gateway, keyspace(partition), memory.organization, memory.workflow)
    return memory if record is None else replace(memory, kind=record.kind, name=record.name)
