"""The form of an answer by the header Accept (RFC 9110, section 12.5.1): JSON unless CSV is preferred."""

from aiohttp import web

from sidedata.service.report.timeline.encode import Format

CSV = "text/csv"
CONTENT_TYPES: dict[Format, str] = {"json": "application/json", "csv": "text/csv; charset=utf-8"}


def preferred_format(request: web.Request) -> Format:
    """JSON, or CSV if the client gives it the greater weight."""
    ranges = _ranges(",".join(request.headers.getall("Accept", ())))
    return "csv" if _weight(ranges, "text", "csv") > _weight(ranges, "application", "json") else "json"


def _ranges(accept: str) -> dict[str, float]:
    """The weights by media range, in lower case; a range without a valid weight has 1."""
    ranges: dict[str, float] = {}
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weight = _quality(value.strip())
        if media:
            ranges[media] = weight
    return ranges


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 1.0


def _weight(ranges: dict[str, float], kind: str, subtype: str) -> float:
    """The weight of a media type: that of the most specific range that matches it."""
    for media in (f"{kind}/{subtype}", f"{kind}/*", "*/*"):
        if media in ranges:
            return ranges[media]
    return 0.0
