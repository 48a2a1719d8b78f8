"""The overview of all workflows: where the dashboard lands."""

import json
from typing import Any
from urllib.parse import urlencode

from sidedata.writes.records import set_workflow
from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import enter, is_live, rows, shown, texts
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, POPUP_2, view
from tests.support.pipeline import Pipeline
from tests.support.redis.users import as_user

OVERVIEW = f"/api/reporting/workflow/v1/orgs/{ORG}/sidedata/"


async def overview(pipe: Pipeline, page: Page) -> dict[str, Any]:
    """The API's reports by workflow, for what the page says it covers."""
    start, end = await page.evaluate("[...document.querySelectorAll('#covers time')].map((node) => node.dateTime)")
    query = {"start": start, "end": end, "granularity": "day"}
    async with pipe.http.get(f"{OVERVIEW}?{urlencode(query)}") as response:
        found = await response.json()
    return {item["id"]: item for item in found["workflows"]}


async def names(page: Page, kind: str) -> list[str]:
    """The first cells of a kind's rows."""
    return await texts(page, f"section[aria-labelledby=overview-{kind}] tbody .goal-name")


async def test_it_is_where_one_lands(pipe: Pipeline, page: Page) -> None:
    """Each workflow has its row with the API's numbers and a sparkline of its points; its name leads to its report."""
    await enter(page, pipe)
    await is_live(page, "#overview tbody tr")
    answer = await overview(pipe, page)
    pages, popup = answer[PAGES]["sidedata"], answer[POPUP]["sidedata"]
    [seen] = await rows(page, "section[aria-labelledby=overview-page_navigation] tbody tr")
    assert seen[2:4] == [str(pages["unique_visitors_count"]), str(pages["unique_sessions_count"])]
    [seen] = await rows(page, "section[aria-labelledby=overview-interaction] tbody tr")
    triggered = sum(goal["metrics"]["events_count"] for goal in popup["triggered_goals"])
    assert seen[2:5] == [str(popup["unique_visitors_count"]), str(popup["started_workflows_count"]), str(triggered)]
    assert seen[6].replace("\u00a0", " ") == f"{100 * triggered / popup['started_workflows_count']:.0f} %"
    labels = await page.evaluate("[...document.querySelectorAll('.sparkline')].map((node) => node.ariaLabel)")
    points = [point["unique_visitors_count"] for point in answer[PAGES]["points"]]
    assert labels[0].endswith(f"at most {max(points)}")
    await page.evaluate("document.querySelector('#overview tbody a').click()")
    assert (await shown(page))["tiles"][0] == str(pages["unique_visitors_count"])
    assert f"workflow={PAGES}" in await page.evaluate("location.hash")


async def test_it_shows_changes_and_new_events(pipe: Pipeline, page: Page) -> None:
    """A change stands below its number, and events appear without a reload."""
    await enter(page, pipe, range="today")
    await is_live(page, "#overview tbody tr")
    cell = "section[aria-labelledby=overview-page_navigation] tbody td:nth-child(3)"
    before = int((await texts(page, f"{cell} data"))[0])
    await page.until(f"!!document.querySelector('{cell} .change')")
    await pipe.apply([view(await pipe.now(), f"new-{number}") for number in range(4)])
    await page.until(f"Number(document.querySelector('{cell} data').textContent) === {before + 4}")


async def test_it_is_sorted_and_searched(pipe: Pipeline, page: Page) -> None:
    """A column's button sorts by it and turns round, for screen readers too; the search looks at names and ids."""
    for number in range(3):
        await set_workflow(
            as_user("operator", pipe.client),
            pipe.installation,
            ORG,
            f"44444444-0000-4000-8000-00000000000{number}",
            "page_navigation",
            f"Page {11 - number}",
        )
    await enter(page, pipe, range="30d")
    await is_live(page, "#overview tbody tr")
    await page.until("document.querySelectorAll('#overview tbody tr').length === 5")
    heads = "section[aria-labelledby=overview-page_navigation] thead"
    by_number = ["Page 9", "Page 10", "Page 11"]
    assert await names(page, "page_navigation") == [f"{PAGES[:8]}…", *by_number], "most visitors first, then by name"
    await page.evaluate(f"document.querySelector('{heads} [data-key=visitors] button').click()")
    assert await names(page, "page_navigation") == [*by_number, f"{PAGES[:8]}…"]
    assert await page.evaluate(f"document.querySelector('{heads} [data-key=visitors]').ariaSort") == "ascending"
    await page.evaluate(f"document.querySelector('{heads} [data-key=name] button').click()")
    assert await names(page, "page_navigation") == [f"{PAGES[:8]}…", *by_number]
    assert await page.evaluate(f"document.querySelector('{heads} [data-key=visitors]').ariaSort") is None
    await page.evaluate("""{
        const find = document.querySelector('#overview-find');
        find.value = '4444-0000-4000-8000-000000000002';
        find.dispatchEvent(new Event('input'));
    }""")
    assert await texts(page, "#overview tbody .goal-name") == ["Page 9"]
    await page.evaluate("""{
        const find = document.querySelector('#overview-find');
        find.value = 'nothing of that kind';
        find.dispatchEvent(new Event('input'));
    }""")
    assert await texts(page, "#overview tbody tr") == []
    assert await texts(page, "#overview-none") == ["No workflow has such a name or id."]


async def test_csv_is_that_of_the_api(pipe: Pipeline, page: Page) -> None:
    """The file holds what is shown, in its order, as the service writes it; a report gives its timeline."""
    await pipe.workflow(POPUP_2, "interaction")
    await enter(page, pipe, range="30d")
    await is_live(page, "#overview tbody tr")
    await page.until("document.querySelectorAll('#overview tbody tr').length === 3")
    name, text = await downloaded(page)
    assert name == "Workflows - Last 30 days.csv"
    lines = text.splitlines()
    assert lines[0].startswith("id,kind,name,last_event_at,unique_visitors_count")
    assert [line[:36] for line in lines[1:]] == [PAGES, POPUP, POPUP_2]
    await page.evaluate("document.querySelector('#overview tbody a').click()")
    await shown(page)
    await page.until("!!document.querySelector('#timeline path')")
    name, text = await downloaded(page)
    assert name == f"Workflow {PAGES[:8]}… - Last 30 days by day.csv"
    assert text.splitlines()[0] == "start,end,unique_visitors_count,unique_sessions_count"
    assert len(text.splitlines()) == 31


async def downloaded(page: Page) -> tuple[str, str]:
    """Press CSV, and catch the file on its way to the disk."""
    await page.evaluate("""{
        window.caught = null;
        let blob = null;
        URL.createObjectURL = (given) => { blob = given; return '#'; };
        HTMLAnchorElement.prototype.click = function () {
          if (this.download) blob.text().then((text) => { window.caught = [this.download, text]; });
          else this.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
        };
        document.querySelector('#csv').click();
    }""")
    name, text = json.loads(await page.until("window.caught && JSON.stringify(window.caught)"))
    return str(name), str(text)
