"""Ports that nothing listens on."""

import contextlib
import secrets
import socket


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Ports that are free along with the ones 10,000 above, where nodes talk to each other; below those that systems give."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            port = secrets.randbelow(10_000) + 11_000
            try:
                for number in (port, port + 10_000):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            ports.append(port)
    return ports
