"""Whose request it is when proxies stand in front: X-Forwarded-For, believed as far as it comes from trusted proxies."""

import ipaddress
import re
from collections.abc import Sequence

from aiohttp import web

from sidedata.errors import UsageError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Some proxies name the port too: 192.0.2.1:4711, [2001:db8::1]:4711.
_WITH_PORT = re.compile(r"\[([0-9a-fA-F:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}")
_MOST_HOPS = 20


class Proxies:
    """The networks that the setting lists."""

    def __init__(self, listed: str) -> None:
        try:
            self._networks = [ipaddress.ip_network(part.strip()) for part in listed.split(",")]
        except ValueError as error:
            raise UsageError(f"SIDEDATA_TRUSTED_PROXIES: {error}") from error

    def client(self, request: web.Request) -> str:
        """The client's address: the last one, seen from us, that is no trusted proxy's."""
        nearest = _address(request.remote or "")
        if nearest is None:
            return "unknown"
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).rsplit(",", _MOST_HOPS)
        return str(self._believed(nearest, hops))

    def _believed(self, nearest: _Address, hops: Sequence[str]) -> _Address:
        for hop in reversed(hops):
            if not self._trusts(nearest):
                break
            further = _address(hop.strip())
            if further is None:
                break
            nearest = further
        return nearest

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> _Address | None:
    match = _WITH_PORT.fullmatch(text)
    try:
        found = ipaddress.ip_address(match[1] or match[2] if match else text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


PROXIES = web.AppKey("PROXIES", Proxies)
