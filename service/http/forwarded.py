"""The client's address behind proxies: X-Forwarded-For, as far as trusted proxies have written it."""

import ipaddress
import re
from collections.abc import Sequence

from aiohttp import web

from sidedata.errors import UsageError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
_WITH_PORT = re.compile(r"\[([0-9a-fA-F:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}")
_MOST_HOPS = 20


class Proxies:
    """The trusted proxies, as a list of networks separated by commas."""

    def __init__(self, networks: str) -> None:
        try:
            self._networks = [ipaddress.ip_network(part.strip()) for part in networks.split(",")]
        except ValueError as error:
            raise UsageError(f"SIDEDATA_TRUSTED_PROXIES: {error}") from error

    def client(self, request: web.Request) -> str:
        """The client's address: the nearest hop that is not a trusted proxy."""
        nearest = _address(request.remote or "")
        if nearest is None:
            return "unknown"
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).rsplit(",", _MOST_HOPS)
        return str(self._first_untrusted(nearest, hops))

    def _first_untrusted(self, nearest: _Address, hops: Sequence[str]) -> _Address:
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
        address = ipaddress.ip_address(match[1] or match[2] if match else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


PROXIES = web.AppKey("PROXIES", Proxies)
