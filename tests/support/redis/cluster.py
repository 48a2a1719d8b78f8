"""A Redis Cluster that belongs to the tests: six processes on free loopback ports, three masters with a replica each."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from tests.support.ports import free_ports
from tests.support.redis.certificates import Certificates
from tests.support.redis.servers import find_binary
from tests.support.waiting import block_until

MASTERS = 3
SLOTS = 16384
# How long a node may be silent. A replica takes over a second or so after that.
NODE_TIMEOUT_MS = 1000
_ADMIN_ERRORS = (redis.RedisError, OSError)


def slot_of(key: str) -> int:
    """The slot of a key."""
    slot: int = key_slot(key.encode())
    return slot


class Node:
    """One process of a cluster."""

    def __init__(self, directory: Path, port: int, *arguments: str, certificates: Certificates | None = None) -> None:
        self.directory = directory
        self.port = port
        self._arguments = [*arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.frozen = False
        address = f"redis://127.0.0.1:{port}"
        if certificates is not None:
            self._arguments += [*certificates.for_server(port), "--tls-cluster", "yes", "--tls-replication", "yes"]
            address = f"rediss://127.0.0.1:{port}?{certificates.for_client()}"
        self.admin: Any = redis.Redis.from_url(address, socket_timeout=10)  # its replies are as untyped as they come

    @property
    def runs(self) -> bool:
        """Tell if the process was started and not killed."""
        return self._process is not None

    @property
    def id(self) -> str:
        """Its name in the cluster."""
        return str(self.admin.cluster("MYID").decode())

    def start(self) -> None:
        """Start the process, on what it left behind if it ran before.

        Raises:
            RuntimeError: it ended at once; with what it said.
        """
        self.directory.mkdir(exist_ok=True)
        command = [
            *(find_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
            *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-require-full-coverage", "no"),
            *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
            *("--save", "", "--appendonly", "no", "--repl-ping-replica-period", "1"),
        ]
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen([*command, *self._arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._process = process
        block_until(lambda: process.poll() is not None or self.admin.ping(), f"node {self.port} to answer")
        if process.poll() is not None:
            raise RuntimeError(f"node {self.port} didn't start: {(self.directory / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.frozen = False
            self.admin.close()

    def freeze(self) -> None:
        """Stop it where it stands; connections stay open and nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
        self.frozen = False


class Cluster:
    """Six nodes; the first three begin as masters, each with a third of the slots."""

    def __init__(self, *arguments: str, certificates: Certificates | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="sidedata-cluster-"))
        self.nodes = [
            Node(self.directory / str(n), port, *arguments, certificates=certificates)
            for n, port in enumerate(free_ports(2 * MASTERS))
        ]
        first = f"127.0.0.1:{self.nodes[0].port}"
        self.url = f"redis+cluster://{first}"
        if certificates is not None:
            self.url = f"rediss+cluster://{first}?{certificates.for_client()}"

    def start(self) -> None:
        """Start the nodes and wait until they are a cluster."""
        for node in self.nodes:
            node.start()
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        edges = [n * SLOTS // MASTERS for n in range(MASTERS + 1)]
        for n, node in enumerate(masters):
            node.admin.execute_command("CLUSTER ADDSLOTS", *range(edges[n], edges[n + 1]))
            node.admin.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
        for node in self.nodes[1:]:
            node.admin.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        for node in self.nodes:
            block_until(lambda node=node: len(self.known(node)) == 2 * MASTERS, "all nodes to know each other")  # type: ignore[misc]
        for master, replica in zip(masters, replicas, strict=True):
            replicate = partial(replica.admin.execute_command, "CLUSTER REPLICATE", master.id)
            block_until(replicate, "a replica")
        self.wait_until_well()

    def known(self, node: Node) -> dict[str, dict[str, Any]]:
        """The nodes of the cluster as one of them sees it."""
        nodes: dict[str, dict[str, Any]] = node.admin.cluster("NODES")
        return nodes

    def running(self) -> list[Node]:
        """The nodes that were not killed."""
        return [node for node in self.nodes if node.runs]

    def wait_until_well(self) -> None:
        """Wait until all that run agree: every slot is served, every master has a replica that is up with it."""

        def well(node: Node) -> bool:
            info = node.admin.info("replication")
            seen = self.known(node).values()
            masters = [e for e in seen if "master" in e["flags"] and e["slots"]]
            copied = {e["master_id"] for e in seen if "slave" in e["flags"] and "fail" not in e["flags"]}
            return (
                copied >= {e["node_id"] for e in masters}
                and (info["role"] == "master" or info["master_link_status"] == "up")
                and node.admin.cluster("INFO")["cluster_state"] == "ok"
                and len(masters) == MASTERS
                and not any("fail" in entry["flags"] for entry in masters)
                and sum(int(span[-1]) - int(span[0]) + 1 for e in masters for span in e["slots"]) == SLOTS
            )

        for node in self.running():
            block_until(lambda node=node: well(node), f"node {node.port} to be well")  # type: ignore[misc]
        block_until(lambda: len({repr(self._masters(node)) for node in self.running()}) == 1, "one map of slots")

    def _masters(self, node: Node) -> list[tuple[int, int, int]]:
        """Ranges of slots and the ports of their masters, as one node sees them."""
        ranges = node.admin.execute_command("CLUSTER SLOTS", NEVER_PARSE=True)
        return sorted((first, last, master[1]) for first, last, master, *_ in ranges)

    def master_of(self, slot: int) -> Node:
        """The node that serves a slot."""
        node = self.claimant(slot)
        assert node is not None, f"nobody serves slot {slot}"
        return node

    def claimant(self, slot: int, *, apart_from: Node | None = None) -> Node | None:
        """The node that serves a slot, as it says itself; one that is frozen can be left unasked.

        Others hear of a change by gossip, so they may still name a node that was killed. One that has been deposed and has not
        heard of it has an older epoch than the one that took over.
        """
        claims: list[tuple[int, Node]] = []
        for node in self.running():
            if node is apart_from:
                continue
            with contextlib.suppress(*_ADMIN_ERRORS):
                if any(first <= slot <= last and port == node.port for first, last, port in self._masters(node)):
                    claims.append((int(node.admin.cluster("INFO")["cluster_my_epoch"]), node))
        return max(claims, key=lambda claim: claim[0], default=(0, None))[1]

    def replica_of(self, master: Node) -> Node:
        """The node that copies a master."""
        entries = self.known(master)
        mine = master.id
        address = next(address for address, entry in entries.items() if entry["master_id"] == mine)
        return next(node for node in self.nodes if node.port == int(address.rpartition(":")[2]))

    def begin_move(self, slot: int, target: Node) -> Node:
        """Declare that a slot moves; its old owner."""
        source = self.master_of(slot)
        target.admin.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.admin.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        return source

    def move_keys(self, slot: int, source: Node, target: Node, most: int = 10) -> int:
        """Move some keys of a slot; how many."""
        names = source.admin.execute_command("CLUSTER GETKEYSINSLOT", slot, most)
        if names:
            source.admin.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names)
        return len(names)

    def end_move(self, slot: int, target: Node) -> None:
        """The slot has moved; its new owner says so first."""
        name = target.id
        target.admin.execute_command("CLUSTER SETSLOT", slot, "NODE", name)
        for node in self.running():
            if node is not target and node.admin.info("replication")["role"] == "master":
                node.admin.execute_command("CLUSTER SETSLOT", slot, "NODE", name)

    def flush(self, seconds: float = 10) -> None:
        """Delete everything, and wait until each replica has done so, too.

        One whose link has just come up gets nothing for as much as a second, until the master has heard that it loaded all. If
        it took over in that second, it would bring back what was deleted.
        """

        def flushed(node: Node) -> bool:
            *_, copies = node.admin.pipeline(transaction=False).flushall().wait(1, 100).execute()
            return bool(copies >= 1)

        for node in self.running():
            if not node.frozen and node.admin.info("replication")["role"] == "master":
                block_until(lambda node=node: flushed(node), f"the replica of node {node.port} to be empty", seconds)  # type: ignore[misc]

    def close(self) -> None:
        """Kill all nodes and remove what they left."""
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
