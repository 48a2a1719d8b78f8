"""Writing, and hearing how many replicas have what was written."""

from typing import Any

import redis.exceptions as faults

from sidedata.redis.client import Client
from sidedata.redis.cluster import Cluster

# Within the second in which every request is answered; a replica that keeps up answers in less than two milliseconds.
WAIT_MS = 500
_MOST_REDIRECTS = 3


class Replicated:
    """Sends a command, and WAIT after it on the same connection: Redis waits for what that connection wrote.

    It stands in for the client where a script is called; `copies` says how many replicas have what the last one wrote.
    """

    def __init__(self, client: Client, key: str, replicas: int) -> None:
        self._client = client
        self._key = key
        self._replicas = replicas
        self.copies = 0

    async def execute_command(self, *command: Any) -> Any:  # noqa: ANN401 - the client's own
        """The command's reply; its errors are raised."""
        wait = ("WAIT", self._replicas, WAIT_MS)
        if not isinstance(self._client, Cluster):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.execute_command(*command)
            pipeline.execute_command(*wait)
            reply, copies = await pipeline.execute(raise_on_error=False)
            return self._heard(reply, copies)
        await self._client.initialize()
        node, asking = self._client.node_of(self._key), False
        for _ in range(_MOST_REDIRECTS):
            reply, copies = await self._client.on_one_connection(node, command, wait, asking=asking)
            if not isinstance(reply, faults.AskError):  # MOVED is one of them
                return self._heard(reply, copies)
            node, asking = await self._client.redirected(reply), not isinstance(reply, faults.MovedError)
        raise faults.ClusterError("redirected too often")

    def _heard(self, reply: Any, copies: Any) -> Any:  # noqa: ANN401 - the client's own
        for answer in (reply, copies):
            if isinstance(answer, Exception):
                raise answer
        self.copies = int(copies)
        return reply
