"""Conditional requests: If-None-Match against an entity tag (RFC 9110, section 13.1.2)."""

from aiohttp import web


def matches(request: web.Request, etag: str) -> bool:
    """Tell if If-None-Match names the entity tag; the comparison is weak, as the RFC requires for this header."""
    tags = ",".join(request.headers.getall("If-None-Match", ()))
    return any(tag.strip().removeprefix("W/") in ("*", etag) for tag in tags.split(","))
