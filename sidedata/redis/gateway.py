"""The typed boundary with Redis: all that the rest of the code can ask of it.

Two classes stand behind it, `StandaloneGateway` and `ClusterGateway`; no caller needs to know which. Every method raises the
errors of `sidedata.errors` and nothing else, and every wait has a time limit.

A command finds its node by its key. A read (`READS` in `exchange.py`) that meets a broken connection is repeated once on another
one. A write is sent once: whether a write took effect before its connection broke is unknown, and only the caller can find out.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from sidedata.redis.replies import Command, Reply, Word
from sidedata.redis.scripts import Script

OnSent = Callable[[], object]


class Commands(Protocol):
    """A server that takes commands, or all servers of a cluster behind one door."""

    async def command(self, *words: Word) -> Reply:
        """Send one command and return its reply."""
        ...

    async def batch(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands together and return their replies in order; not atomic. The first error among them is raised."""
        ...


class Gateway(Commands, Protocol):
    """An installation's Redis: one server or a cluster."""

    async def poll(self, *commands: Command) -> list[Reply]:
        """Send reads the cheap way, over a connection that all callers share; keys must share a hash tag."""
        ...

    async def call(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Word] = (),
        *,
        on_sent: OnSent | None = None,
    ) -> Reply:
        """Run a script on the node that holds `keys`, which must share a hash tag.

        Args:
            on_sent: called when the script is on its way, before the wait for its reply; again if it has to be sent again.
        """
        ...

    async def call_and_wait(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[Word], *, replicas: int, wait_ms: int
    ) -> tuple[Reply, int]:
        """Run a script, then wait for `replicas` to have what it wrote; returns its reply and how many have it.

        WAIT counts what its own connection wrote, so both commands travel on one.
        """
        ...

    async def primaries(self) -> Sequence[Commands]:
        """List the servers that hold keys, for commands that concern a whole server (INFO, SCAN, DBSIZE)."""
        ...

    async def time_ms(self, key: str) -> int:
        """Read Redis's own clock, in milliseconds since the epoch, on the node that holds `key`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
