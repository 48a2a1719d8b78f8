"""Connections to a cluster that end, and nodes that all move: readers don't notice the one, and find the other by name."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidedata.errors import StoreUnavailableError
from sidedata.redis.client import connect
from tests.support.ports import free_ports
from tests.support.redis.cluster import SLOTS, Cluster, Node, slot_of
from tests.support.redis.forwarder import forwarding
from tests.support.waiting import TIME_FACTOR, block_until

CLIENTS = 30


async def test_no_reader_notices_that_nodes_closed_their_connections(cluster: Cluster) -> None:
    """Idle connections to any node end, again and again; no read fails, nor a write that had not been sent."""
    gateway = connect(cluster.url, timeout=0.7)
    try:
        for _ in range(5):
            names = [f"{{{number}}}" for number in range(CLIENTS)]
            await asyncio.gather(*(gateway.command("GET", name) for name in names))
            await gateway.batch([("GET", name) for name in names])
            await asyncio.gather(*(gateway.command("INCR", name) for name in names))
            for node in cluster.running():
                node.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert [await gateway.command("GET", name) for name in names] == [b"5"] * CLIENTS
    finally:
        await gateway.aclose()


async def test_a_slow_write_is_sent_once(cluster: Cluster) -> None:
    """A write whose node does not answer in time fails, and is done once when the node goes on."""
    gateway = connect(cluster.url, timeout=0.3)
    try:
        await gateway.command("SET", "n", 0)
        node = cluster.master_of(slot_of("n"))
        node.freeze()
        try:
            with pytest.raises(StoreUnavailableError):
                await gateway.command("INCR", "n")
        finally:
            node.thaw()
        block_until(lambda: node.admin.info("stats")["total_commands_processed"] > 0, "the node to go on")
        assert await gateway.command("GET", "n") == b"1"
    finally:
        await gateway.aclose()


@pytest.fixture
def moves(tmp_path: Path) -> Iterator[list[Node]]:
    """Two clusters of one node each, at different addresses: the same one before and after all of its nodes moved."""
    nodes = [Node(tmp_path / str(port), port) for port in free_ports(2)]
    try:
        for node in nodes:
            node.start()
            node.admin.execute_command("CLUSTER ADDSLOTS", *range(SLOTS))
            block_until(lambda node=node: node.admin.cluster("INFO")["cluster_state"] == "ok", "all slots")  # type: ignore[misc]
        yield nodes
    finally:
        for node in nodes:
            node.kill()


@pytest.mark.alone
@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_nodes_that_all_move_are_found_by_the_name_that_was_given(moves: list[Node], way: str) -> None:
    """Within 5 seconds, whether the old addresses refuse connections or swallow them."""
    old, new = moves
    new.admin.set("n", "moved")
    async with forwarding(f"redis://127.0.0.1:{old.port}") as forwarder:
        gateway = connect(forwarder.url.replace("redis:", "redis+cluster:"), timeout=0.7)
        try:
            await asyncio.gather(*(gateway.command("GET", "n") for _ in range(CLIENTS)))
            forwarder.target = ("127.0.0.1", new.port)
            old.kill() if way == "killed" else old.freeze()
            start, value = time.monotonic(), None
            while value is None:
                try:
                    value = await gateway.command("GET", "n")
                except StoreUnavailableError:
                    assert time.monotonic() - start < 5 * TIME_FACTOR
                    await asyncio.sleep(0.02)
            assert value == b"moved"
            print(f"{way}: found after {time.monotonic() - start:.2f} s")  # noqa: T201 - docs/RELIABILITY.md repeats it
        finally:
            await gateway.aclose()
            if way == "frozen":
                old.thaw()
