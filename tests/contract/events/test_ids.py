"""Section 2 of the contract by hand: the ids of events and of organizations and workflows."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import POPUP, POPUP_2, started
from tests.support.figures import EVER, NOON, starts
from tests.support.pipeline import Pipeline


@pytest.mark.holds("1.0.11")
async def test_upper_case_uuids_are_the_same(pipe: Pipeline) -> None:
    """UUIDs are taken in any case and are the same in lower case."""
    await pipe.apply(started(NOON, organization_id=ORG.upper(), workflow=POPUP.upper()), started(NOON))
    assert await starts(pipe) == 2


@pytest.mark.holds("2.3.1", "2.3.2")
async def test_an_id_counts_once(pipe: Pipeline) -> None:
    """Sent again within an entry, across entries of a batch and across batches: once. The first one wins."""
    first, again = started(NOON, id="a"), started(NOON, id="a", workflow=POPUP_2)
    await pipe.workflow(POPUP_2, "interaction")
    await pipe.apply([first, first], first, [again, started(NOON, id="b")])
    await pipe.apply(first, again)
    await pipe.apply([again])
    assert await starts(pipe) == 2
    assert await starts(pipe, POPUP_2) == 0
    assert await pipe.reasons() == []


@pytest.mark.holds("2.0.3", "2.3.2")
async def test_ids_are_an_organizations_own(pipe: Pipeline) -> None:
    """The same id in another organization is another event."""
    await pipe.apply(started(NOON, id="a"))
    await pipe.apply(started(NOON, id="a", organization_id=OTHER_ORG), organization=OTHER_ORG)
    assert await starts(pipe) == 1
    assert (await pipe.ask(POPUP, *EVER, organization=OTHER_ORG)).json["started_workflows_count"] == 1


@pytest.mark.holds("2.0.3")
async def test_ids_differ_in_every_character(pipe: Pipeline) -> None:
    """Ids are compared as they are: case, blanks and escapes make no two alike that are not."""
    await pipe.apply([started(NOON, id=text) for text in ("a", "A", " a", "a ", "ä", "a\u0308", "a\u0000")])
    await pipe.apply(started(NOON, id="@").replace(b"@", b"\\u0061"))  # "a" in another spelling
    assert await starts(pipe) == 7


@pytest.mark.holds("2.3.2")
async def test_a_refused_event_may_be_sent_again(pipe: Pipeline) -> None:
    """A dead-lettered event's id is free, in the same batch already."""
    await pipe.apply([started("yesterday", id="a"), started(NOON, id="a"), started(NOON, id="a")])
    await pipe.apply(started(datetime.now(UTC) + timedelta(hours=1), id="b"))
    await pipe.apply(started(NOON, id="b"))
    assert await pipe.reasons() == ["invalid_event", "in_future"]
    assert await starts(pipe) == 2


@pytest.mark.holds("2.0.3")
async def test_without_ids_events_are_all_different(pipe: Pipeline) -> None:
    """The entry's id and the position stand in, so equal bytes are different events."""
    await pipe.apply([started(NOON)] * 3, started(NOON), started(NOON))
    await pipe.apply(started(NOON), [started(NOON)])
    assert await starts(pipe) == 7


@pytest.mark.holds("2.3.2")
async def test_stand_in_ids_never_clash_with_given_ones(pipe: Pipeline) -> None:
    """An id that looks like a stand-in is another one, in whatever spelling."""
    (single, array) = await pipe.apply(started(NOON), [started(NOON), started(NOON)])
    looks = [
        f"{entry}{mark}{n}" for entry in (single, array) for mark in ("-", "/", ":", ".", "#", " ") for n in (0, 1)
    ]
    looks += [single, array, f"{single}-0-0", f"entry:{single}", f"e{single}", f"\u0000{single}", f"{single}\u00000"]
    await pipe.apply([started(NOON, id=text) for text in looks])
    assert await starts(pipe) == 3 + len(looks)
