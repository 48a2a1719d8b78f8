"""Events as bytes, and their way into a stream by the thousand.

RESP is written by hand, because a client would be slower than the worker that is to be measured.
"""

import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from urllib.parse import urlsplit

import numpy as np

from bench.data import GOALS, PURCHASE, TYPES, WORKFLOWS, Events
from sidedata.events.decode import PURCHASE_GOAL
from sidedata.schema import keys


class Names:
    """The names of one organization's things; the same partition and seed make the same names."""

    def __init__(self, partition: int, partitions: int, seed: int = 1) -> None:
        random = Random(1000 * seed + partition)
        self.organization = _uuid(random)
        while keys.partition_of(self.organization, partitions) != partition:
            self.organization = _uuid(random)
        self.partition = partition
        self.workflows = [_uuid(random) for _ in range(WORKFLOWS)]
        self.goals = [_uuid(random) for _ in range(GOALS)]
        names = [f"Goal number {number}" for number in range(GOALS)]
        names[PURCHASE] = PURCHASE_GOAL
        self._goal_texts = [
            f',"goal":{{"uuid":"{goal}","name":"{name}"}}' for goal, name in zip(self.goals, names, strict=True)
        ]

    def templates(self, events: Events) -> Iterator[str]:
        """Each event up to its timestamp and id."""
        middles = [f',"organization_id":"{self.organization}","workflow_id":"{w}"' for w in self.workflows]
        middles.append(f',"organization_id":"{self.organization}"')  # -1: an outer goal
        for kind, workflow, visitor, session, goal in zip(
            *(column.tolist() for column in (events.types, events.workflows, events.visitors, events.sessions)),
            events.goals.tolist(),
            strict=True,
        ):
            more = self._goal_texts[goal] if goal >= 0 else ""
            if workflow < 0 and goal == PURCHASE:
                more += f',"purchase":{{"value":{visitor % 200}.95,"currency":"EUR"}}'
            yield (
                f'{{"type":"{TYPES[kind]}"{middles[workflow]},"visitor_id":"v{visitor:08}","session_id":"s{session:09}"{more}'
            )

    def lines(self, events: Events, first_id: int | None) -> list[bytes]:
        """Each event as JSON; without ids if there is no first one."""
        times = np.datetime_as_string(events.at_us.astype("datetime64[us]"), unit="ms").tolist()
        if first_id is None:
            return [
                f'{template},"timestamp":"{at}Z"}}'.encode()
                for template, at in zip(self.templates(events), times, strict=True)
            ]
        return [
            f'{template},"id":"{number}","timestamp":"{at}Z"}}'.encode()
            for number, (template, at) in enumerate(zip(self.templates(events), times, strict=True), first_id)
        ]


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def packed(lines: Sequence[bytes], size: int) -> list[bytes]:
    """JSON arrays of that number of events."""
    return [b"[" + b",".join(lines[at : at + size]) + b"]" for at in range(0, len(lines), size)]


def _head(partition: int, field: str) -> bytes:
    """An XADD up to its value."""
    key = keys.keyspace(partition).events.encode()
    parts = (len(key), key, len(field), field.encode())
    return b"*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$1\r\n*\r\n$%d\r\n%s\r\n" % parts


class Stream:
    """A connection that appends to ingest streams."""

    _AT_ONCE = 2_000

    def __init__(self, url: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(urlsplit(url).path)

    def add(self, partition: int, field: str, values: Sequence[bytes]) -> None:
        """Append an entry each and wait until all are in."""
        head = _head(partition, field)
        for first in range(0, len(values), self._AT_ONCE):
            part = values[first : first + self._AT_ONCE]
            self._socket.sendall(b"".join([b"%s$%d\r\n%s\r\n" % (head, len(value), value) for value in part]))
            self._expect(2 * len(part))

    def add_singles(self, lines: Mapping[int, Sequence[bytes]]) -> None:
        """Append events to several partitions in one round trip."""
        heads = {partition: _head(partition, "event") for partition in lines}
        parts = [b"%s$%d\r\n%s\r\n" % (heads[p], len(line), line) for p, of_p in lines.items() for line in of_p]
        self._socket.sendall(b"".join(parts))
        self._expect(2 * len(parts))

    def _expect(self, lines: int) -> None:
        """Each reply is a stream id, in two lines."""
        while lines > 0:
            data = self._socket.recv(1 << 16)
            if not data or data.startswith(b"-"):
                raise ConnectionError(f"Redis answered {data[:100]!r}")
            lines -= data.count(b"\n")

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
