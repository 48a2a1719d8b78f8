"""Broken requests as bytes, built from the description of the service."""

import gzip
import json
import random
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.fuzz.inputs import GOOD, MOMENTS, NASTY, mutated
from tests.support.constants import ORG

_IDS = (
    ORG,
    ORG.upper(),
    "x",
    "%00",
    "%2F",
    "%2e%2e",
    "..",
    "",
    "%ff",
    "%",
    "a" * 3000,
    ORG.replace("-", ""),
    f"{ORG}%20",
    "0" * 36,
)


_WINDOWS = ("PT0S", "P400D", "P401D", "P1Y", "PT1H", "P0D", "P", "PT", "-PT1H", "P9999999W", "P1M", "PT1.5H", "pt1h")


_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "CONNECT")


_TYPES = (
    *(
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/x-ndjson",
        "text/plain",
        "",
        "/",
        ";",
    ),
    *(
        "application/json; charset=utf-16",
        'application/json; charset="',
        "application/json, text/plain",
        "multipart/form-data",
    ),
)


_TAGS = ("*", '"x"', 'W/"x"', "x", '"', "W/", ",,,", '"a", "b"', "", '""', "é")


_ODD_HEADERS = (
    *(
        b"Expect: 100-continue",
        b"Expect: magic",
        b"X-Request-Id: \xff\xfe",
        b"X-Forwarded-For: ,,1.2.3.4",
        b"Range: bytes=0-1",
    ),
    *(
        b"Connection: upgrade\r\nUpgrade: websocket",
        b"Cookie: a=b",
        b"Accept: */*;q=x",
        b"Accept-Encoding: br;q=nan",
        b"Host: \xff",
    ),
    *(
        b"Origin: null",
        b"If-Modified-Since: never",
        b"Content-Encoding: gzip",
        b"Content-Encoding: br, gzip",
        b"Last-Event-ID: \x01",
    ),
)


class Operation(NamedTuple):
    """A row of the document."""

    method: str
    path: str
    query: tuple[str, ...]
    body: bytes | None


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """All that the document offers."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            body = json.dumps(content["example"]).encode() if "example" in content else None
            query = tuple(p["name"] for p in operation["parameters"] if p["in"] == "query")
            found.append(Operation(method.upper(), path, query, body))
    return found


def request(dice: random.Random, operation: Operation, token: str) -> tuple[bytes, bool]:
    """A request of that operation with some things wrong, and whether it is HTTP that must be answered."""
    path = operation.path
    for name in ("organization_id", "workflow_id"):
        path = path.replace(f"{{{name}}}", ORG if dice.random() < 0.85 else dice.choice(_IDS))
    if dice.random() < 0.1:
        path = dice.choice(
            (path.rstrip("/"), path + "/", "/" + path, path.replace("/", "//"), path + "%00", path + "/x", path + ";a")
        )
    pairs = []
    for name in operation.query:
        if dice.random() < 0.7:
            value = (
                dice.choice(_WINDOWS)
                if name == "window"
                else dice.choice((*MOMENTS, "2026-11-22", "2026-11-23T10:00+02:00"))
            )
            pairs += [f"{name}={quote(value) if dice.random() < 0.7 else quote(value, safe='+:, ').replace(' ', '+')}"]
    if dice.random() < 0.1:
        pairs.append(
            dice.choice(("start=1", "x=%ff", "%00", "&&&", "a" * 9000, "window=PT1H", "=", "start", "a=1&" * 30))
        )
    target = path + ("?" + "&".join(pairs) if pairs else "")
    method = operation.method if dice.random() < 0.9 else dice.choice(_METHODS)
    head = [f"{method} {target} HTTP/1.1".encode("latin-1", "replace"), b"Host: test", b"Connection: close"]
    if dice.random() < 0.9:
        head.append(b"Authorization: " + dice.choice((b"Token ", b"bearer ", b"Token  ")) + token.encode())
    elif dice.random() < 0.5:
        head.append(
            dice.choice(
                (b"Authorization:", b"Authorization: Token", b"Authorization: Token \xff", b"Authorization: Basic x")
            )
        )
    if dice.random() < 0.2:
        head.append(b"If-None-Match: " + dice.choice(_TAGS).encode())
    if dice.random() < 0.1:
        head.append(dice.choice(_ODD_HEADERS))
    sent, framed = _framed(dice, _body(dice, operation), head)
    return b"\r\n".join(head) + b"\r\n\r\n" + sent, framed


def _body(dice: random.Random, operation: Operation) -> bytes:
    if operation.body is None:
        return b"" if dice.random() < 0.9 else b"{}"
    if "ingest" in operation.path and dice.random() < 0.6:
        return b"[" + b",".join(mutated(dice, dice.choice(GOOD)) for _ in range(dice.randrange(3))) + b"]"
    if dice.random() < 0.3:
        start, end = dice.choice(MOMENTS), dice.choice((*MOMENTS, "2026-11-23T10:00"))
        return json.dumps({"interval": {"start": start, "end": end}}).encode()
    return mutated(dice, operation.body) if dice.random() < 0.8 else dice.choice(NASTY)


def _framed(dice: random.Random, body: bytes, head: list[bytes]) -> tuple[bytes, bool]:
    """The body as it is sent, its headers added; and if its declared length is true."""
    kind = dice.random()
    if body or kind < 0.1:
        head.append(b"Content-Type: " + (dice.choice(_TYPES).encode() if kind > 0.85 else b"application/json"))
    if kind < 0.05:
        body = gzip.compress(body)
        head.append(b"Content-Encoding: gzip")
    if kind < 0.15:
        head.append(b"Transfer-Encoding: chunked")
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 50]), body[i : i + 50]) for i in range(0, len(body), 50))
        if dice.random() < 0.2:
            return mutated(dice, chunks), False
        return chunks + b"0\r\n\r\n", True
    if kind > 0.97:
        head.append(
            dice.choice((b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 9" * 2, b"Content-Length: 1e3"))
        )
        return body, False
    if body:
        head.append(b"Content-Length: %d" % len(body))
    return body, True
