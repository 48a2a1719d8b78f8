"""The properties of each reader for all inputs. A target takes a random source and feeds its reader one input."""

import gzip
import io
import json
import random
from collections.abc import Callable
from datetime import datetime
from typing import get_args

from sidedata.calendar.levels import Retention
from sidedata.calendar.zones import zone as find_zone
from sidedata.events.decode import Event, Kind, decode_event
from sidedata.events.money import MAX_PURCHASE, UNITS
from sidedata.events.rejection import Reason, Rejection
from sidedata.ingest.apply.entries import EntryDecoder
from sidedata.ingest.archive.lines import ArchiveError, open_archive, read_lines
from sidedata.schema.keys import partition_of
from sidedata.schema.records import KINDS
from sidedata.service.api.reports.query import Interval, Window, from_body, from_live_query, from_query
from sidedata.service.http.problems import ProblemError
from sidedata.service.report.plan import IntervalError, fields_of, make_plan
from sidedata.settings import Settings
from tests.fuzz.bodies import body, damaged, refused
from tests.fuzz.inputs import GOOD, MOMENTS, NASTY, mutated
from tests.support.constants import ORG
from tests.support.senders.validation import entering

NOW = 1_795_471_200.0  # 2026-11-23T22:00:00Z
ENTRY = f"{int(NOW * 1000)}-0"
_PARTITION = partition_of(ORG, 16)
_RETENTION = Retention.of(Settings())
_REASONS = frozenset(get_args(Reason))
_ZONES = (
    "UTC",
    "Europe/Helsinki",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "Etc/GMT+12",
)


def event(dice: random.Random) -> None:
    """An event is read or refused, with a reason, in words that can be stored."""
    raw = mutated(dice, dice.choice(GOOD))
    check_event(raw, decode_event(raw))
    entering(raw)


def check_event(raw: bytes, read: Event | Rejection) -> None:
    """Assert the properties of every event and every rejection."""
    if isinstance(read, Rejection):
        assert read.reason in _REASONS
        read.detail.encode()
        read.pointer.encode()
        if read.reason == "invalid_json":
            assert not _is_json(raw), raw
        return
    assert _is_json(raw), raw
    for text in (read.organization_id, read.workflow_id or ORG, read.goal_id or ORG):
        assert len(text) == 36
        assert text == text.lower()
    for text, most in (
        (read.visitor_id, 256),
        (read.session_id, 256),
        (read.id or "x", 128),
        (read.goal_name or "x", 200),
    ):
        assert 1 <= len(text) <= most
        text.encode()
    assert abs(read.at_us) < 1 << 62
    assert 0 <= (read.units or 0) <= MAX_PURCHASE * UNITS
    assert (read.workflow_id is None) == (read.type == "goal_reached")


def _is_json(raw: bytes) -> bool | None:
    """Tell if it is JSON by the grammar; None where nesting hides that."""

    def no(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(
            raw.strip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf").decode(),
            parse_int=str,
            parse_float=str,
            parse_constant=no,
        )
    except RecursionError:
        return None
    except ValueError:
        return False
    return True


def entry(dice: random.Random) -> None:
    """An entry's good events survive any JSON between them; of what is no JSON every byte is kept."""
    bad_event = mutated(dice, dice.choice(GOOD)) if dice.random() < 0.7 else dice.choice(NASTY)
    check_entry(bad_event, dice.choice(GOOD))
    names = [dice.choice((b"event", b"events", b"other", b"\xff")) for _ in range(dice.randrange(4))]
    fields = [part for name in names for part in (name, mutated(dice, bad_event))]
    decoder = EntryDecoder(_PARTITION, 16)
    decoder.read(ENTRY, fields)
    arrivals, letters = decoder.events, decoder.dead_letters
    values = fields[1::2]
    assert (
        arrivals or letters or (names.count(b"events") == 1 and _unmarked(values[names.index(b"events")])[:1] == b"[")
    )


def _unmarked(value: bytes) -> bytes:
    return value.strip().removeprefix(b"\xef\xbb\xbf").strip()


def check_entry(bad_event: bytes, good: bytes) -> None:
    """Assert the properties of an array with an arbitrary element between two good events."""
    value = b"[" + good + b"," + bad_event + b"," + good + b"]"
    decoder = EntryDecoder(_PARTITION, 16)
    decoder.read(ENTRY, [b"events", value])
    arrivals, letters = decoder.events, decoder.dead_letters
    if _is_json(value):
        assert len(arrivals) + len(letters) >= 3, value
        assert [one.raw for one in arrivals].count(good) >= 2, value
    elif not arrivals:
        assert [letter.event for letter in letters] == [value], value
    if arrivals:
        kept = sum(len(one.raw) for one in arrivals) + sum(len(one.event) for one in letters)
        blanks = sum(value.count(blank) for blank in b" \t\r\n")
        assert kept >= len(value) - blanks - len(arrivals) - len(letters) - 1, value


def interval(dice: random.Random) -> None:
    """A question is planned or refused, in any zone, with a bounded amount of work."""
    start, end = (_moment(dice) for _ in range(2))
    form = dice.random()
    try:
        if form < 0.5:
            body = json.dumps({"interval": {"start": start, "end": end}}, ensure_ascii=dice.random() < 0.5)
            raw = body.encode(errors="surrogatepass")
            asked: Interval | Window = from_body(mutated(dice, raw) if dice.random() < 0.3 else raw)
        elif form < 0.8:
            asked = from_query(_query(dice, f"start={start}&end={end}"))
        else:
            asked = from_live_query(
                _query(dice, f"window=P{dice.choice(('T0S', '400D', '401D', '1Y', 'T1H', '9999999W'))}")
            )
    except ProblemError as error:
        refused(error, 400)
        return
    if isinstance(asked, Window):
        return
    plan_interval(dice.choice(_ZONES), dice.choice(KINDS), asked.start, asked.end)


def plan_interval(zone: str, kind: Kind, start: datetime, end: datetime) -> None:
    """Plan an interval in a zone."""
    try:
        plan = make_plan(find_zone(zone), kind, start, end, NOW, _RETENTION)
    except IntervalError:
        return
    plan.effective.encode()
    assert sum(len(fields_of(run, kind)) for run in plan.requirements.runs) < 6000, (zone, start, end)


def _moment(dice: random.Random) -> str:
    if dice.random() < 0.4:
        return dice.choice(MOMENTS)
    year = dice.choice((1, 2, 1900, 2025, 2026, 2026, 2026, 2027, 9998, 9999))
    text = (
        f"{year:04}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T{dice.randint(0, 24):02}:{dice.randint(0, 59):02}"
    )
    return text + dice.choice(("", "Z", "+02:00", "-23:59", "+23:59:59.999999", ":00.5", ":60Z", " 05:30"))


def _query(dice: random.Random, text: str) -> str:
    raw = mutated(dice, text.encode()) if dice.random() < 0.5 else text.encode(errors="surrogatepass")
    return raw.decode("latin-1")


def archive(dice: random.Random) -> None:
    """A file's good lines come through, whatever stands between them; a damaged one ends with an error and no crash."""
    bad_event = mutated(dice, dice.choice(GOOD)).replace(b"\n", b"").replace(b"\r", b"")
    text = check_lines(bad_event, dice.choice(GOOD), dice.choice((0, 7, -7 * 10**6)))
    check_archive(damaged(dice, gzip.compress(text)))


def check_lines(bad_event: bytes, good: bytes, shift: int) -> bytes:
    """Assert the properties of a file with an arbitrary line between two good ones; returns the file."""
    text = b"\n".join((good, bad_event, good))
    read = list(read_lines(open_archive(io.BytesIO(text)), 16, shift))
    assert [line.problem for line in read if line.number in (1, 3)] == [None, None], text
    for line in read:
        assert line.problem is None or line.problem.encode(errors="replace")
    return text


def check_archive(data: bytes) -> None:
    """Any bytes are a file that can be read, or one that is said to be damaged."""
    try:
        list(read_lines(open_archive(io.BytesIO(data)), 16))
    except ArchiveError:
        return


# By how often each takes its turn: cheap ones and those that face the world more often.
TARGETS: dict[str, tuple[Callable[[random.Random], None], int]] = {
    "event": (event, 10),
    "entry": (entry, 5),
    "interval": (interval, 3),
    "archive": (archive, 1),
    "body": (body, 1),
}
