"""A recording of a master's replication stream, and replicas whose master dies after any byte of it."""

import socket
from types import TracebackType
from typing import Any, Self

import redis
from redis.connection import parse_url

_SECONDS = 20.0


class Recorder:
    """A replica that keeps no data: it takes down what a master sends, first a copy of everything, then every write."""

    def __init__(self, url: str) -> None:
        master = parse_url(url)  # type: ignore[no-untyped-call]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_SECONDS)
        self._socket.connect(master["path"])
        self._reading = self._socket.makefile("rb")
        if "password" in master:
            self._socket.sendall(f"AUTH {master['username']} {master['password']}\r\n".encode())
            assert self._line() == "+OK"
        self._socket.sendall(b"PSYNC ? -1\r\n")
        _, self.history, offset = self._line().split()
        self.begin = int(offset)  # the master's offset at the copy; that of `written[:n]` is n more
        self.copy = self._reading.read(int(self._line().removeprefix("$")))
        self.written = b""

    def _line(self) -> str:
        """The next line; empty ones say that the master is still at it."""
        while not (line := self._reading.readline().strip()):
            pass
        return line.decode()

    def until(self, offset: int) -> None:
        """Read on to the master's offset."""
        missing = offset - self.begin - len(self.written)
        self.written += self._reading.read(missing) if missing > 0 else b""

    def close(self) -> None:
        """Leave."""
        self._reading.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def take_over(replica: Any, recorded: Recorder, length: int) -> None:  # noqa: ANN401 - an untyped client
    """Make a server the replica of a master that dies when it has sent `length` bytes of what was recorded, then a master."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_SECONDS)
        replica.execute_command("REPLICAOF", "127.0.0.1", listening.getsockname()[1])
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as asked:
            connection.settimeout(_SECONDS)
            while not (command := _command(asked)).startswith(b"PSYNC"):
                connection.sendall(b"+PONG\r\n" if command == b"PING" else b"+OK\r\n")
            connection.sendall(f"+FULLRESYNC {recorded.history} {recorded.begin}\r\n${len(recorded.copy)}\r\n".encode())
            connection.sendall(recorded.copy + recorded.written[:length])
            connection.shutdown(socket.SHUT_WR)
            # It closes the connection when it has read, and done, all of it.
            while asked.read(1 << 16):
                pass
    replica.execute_command("REPLICAOF", "NO", "ONE")


def _command(asked: Any) -> bytes:  # noqa: ANN401 - a file
    """The words of a command, the first in capitals."""
    count = int(asked.readline()[1:])
    words = [asked.read(int(asked.readline()[1:]) + 2)[:-2] for _ in range(count)]
    return b" ".join([words[0].upper(), *words[1:]])


def everything(admin: redis.Redis) -> dict[bytes, Any]:
    """All keys of a server with their values, as far as a client can tell them apart; not how long they live."""
    names = sorted(admin.scan_iter(count=1000))
    pipeline: Any = admin.pipeline(transaction=False)
    for name in names:
        pipeline.type(name)
    kinds = pipeline.execute()
    for name, kind in zip(names, kinds, strict=True):
        match kind:
            case b"string":
                pipeline.get(name)
            case b"hash":
                pipeline.hgetall(name)
            case b"set":
                pipeline.smembers(name)
            case b"zset":
                pipeline.zrange(name, 0, -1, withscores=True)
            case b"stream":
                pipeline.xrange(name)
            case _:
                raise AssertionError(f"{name!r} is of type {kind!r}")
    return dict(zip(names, pipeline.execute(), strict=True))
