"""The board for the business in Grafana: its data source as provisioned, and its queries asked of the real service.

Grafana and the plugin are not here, so what the plugin does with a query is done by `rows`: it fills in variables, asks with the
headers that the plugin sends, and reads the columns out of the answer.
"""

import csv
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_schema_validator import OAS31Validator

from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, visits
from tests.support.paths import DEPLOY
from tests.support.pipeline import Pipeline, pipeline
from tests.support.repository.deploy_files import documents

PLUGIN = "yesoreyeram-infinity-datasource"
# As the plugin sends it for each type of query (pkg/infinity/headers.go of 3.11.1).
ACCEPT = {"json": "application/json;q=0.9,text/plain", "csv": "text/csv; charset=utf-8"}

# The queries of the plugin's 3.11.1 that are used here (src/types/query.types.ts), no others.
COLUMN = {
    "type": "object",
    "required": ["selector", "text", "type"],
    "additionalProperties": False,
    "properties": {
        "selector": {"type": "string", "minLength": 1},
        "text": {"type": "string", "minLength": 1},
        "type": {"enum": ["string", "number", "timestamp"]},
    },
}
QUERY = {
    "type": "object",
    "required": [
        "refId",
        "type",
        "parser",
        "source",
        "format",
        "url",
        "url_options",
        "root_selector",
        "columns",
        "filters",
    ],
    "additionalProperties": False,
    "properties": {
        "refId": {"type": "string"},
        "datasource": {"const": {"type": PLUGIN, "uid": "${datasource}"}},
        "type": {"enum": ["json", "csv"]},
        "parser": {"const": "backend"},
        "source": {"const": "url"},
        "format": {"const": "table"},
        "url": {"type": "string", "pattern": "^/api/"},
        "url_options": {"const": {"method": "GET", "data": ""}},
        "root_selector": {"type": "string", "pattern": "^[a-z_]*$"},
        "columns": {"type": "array", "minItems": 1, "items": COLUMN},
        "filters": {"const": []},
        "filterExpression": {"type": "string", "pattern": '^kind == "[a-z_]+"$'},
        "csv_options": {"const": {"delimiter": ","}},
    },
}


def board() -> dict[str, Any]:
    """Return the board."""
    loaded: dict[str, Any] = json.loads((DEPLOY / "grafana/sidedata-business.json").read_text(encoding="utf-8"))
    return loaded


def variables() -> dict[str, dict[str, Any]]:
    """Return the board's variables by name."""
    return {variable["name"]: variable for variable in board()["templating"]["list"]}


def queries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the query of each variable and of each panel, with a name."""
    for name, variable in variables().items():
        if variable["type"] == "query":
            yield f"variable {name}", variable["query"]["infinityQuery"]
    for panel in board()["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target


QUERIES = dict(queries())


def source() -> dict[str, Any]:
    """Return the data source as provisioned."""
    [provisioned] = documents(DEPLOY / "grafana/provisioning/datasources/reports.yaml")
    [found] = provisioned["datasources"]
    return dict(found)


def filled(text: str, values: dict[str, str]) -> str:
    """Replace variables; an unknown one fails."""
    return re.sub(r"\$\{([^}]+)\}", lambda match: values[match[1]], text)


async def rows(installation: Pipeline, query: dict[str, Any], granularity: str = "day") -> list[dict[str, Any]]:
    """Ask a query as the plugin would; its rows as columns."""
    now = await installation.now()
    instants = {"__timeFrom:date:iso": now - timedelta(days=7), "__timeTo:date:iso": now}
    values = {name: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" for name, at in instants.items()}
    chosen = {"organization": ORG, "pages": PAGES, "interactions": POPUP, "granularity": granularity}
    token = installation.http.headers["Authorization"].removeprefix("Token ")
    headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT[query["type"]]}
    async with installation.http.get(filled(query["url"], values | chosen), headers=headers) as response:
        text = await response.text()
        assert response.status == 200, text
    if query["type"] == "csv":
        found: Any = list(csv.DictReader(text.splitlines()))
    else:
        found = json.loads(text)
        found = found[query["root_selector"]] if query["root_selector"] else found
    found = found if isinstance(found, list) else [found]
    if condition := query.get("filterExpression"):
        field, value = condition.split(" == ")
        found = [row for row in found if row[field] == json.loads(value)]
    return [{column["text"]: value_of(row, column) for column in query["columns"]} for row in found]


def value_of(row: dict[str, Any], column: dict[str, Any]) -> object:
    """Read a column out of a row; one that does not exist fails, like one that is not of its type."""
    value: Any = row
    for step in column["selector"].split("."):
        value = value[step]
    if value in {None, ""}:
        return None
    match column["type"]:
        case "timestamp":
            assert datetime.fromisoformat(value).tzinfo is not None
        case "number":
            return float(value)
        case _:
            assert isinstance(value, str)
    return value


@pytest.fixture
async def installation(redis_url: str) -> AsyncIterator[Pipeline]:
    """The real service with visits of two hours ago."""
    async with pipeline(redis_url, partitions=4) as made:
        await made.organization("Europe/Helsinki")
        await made.apply(visits(await made.now() - timedelta(hours=2), 4))
        yield made


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_is_answered_with_its_columns(installation: Pipeline, name: str) -> None:
    """Each has rows, and each column exists in them with its type."""
    found = await rows(installation, QUERIES[name])
    assert found
    expected = {"variable pages": [PAGES], "variable interactions": [POPUP], "variable organization": [ORG]}
    if name in expected:
        assert [row["__value"] for row in found] == expected[name]


@pytest.mark.parametrize("granularity", ["hour", "day", "week", "month"])
async def test_lines_have_all_granularities_of_the_choice(installation: Pipeline, granularity: str) -> None:
    """Each that can be chosen is answered, with the visitors of all points together not 0."""
    assert granularity in variables()["granularity"]["query"].split(",")
    lines = [query for query in QUERIES.values() if "granularity" in query["url"]]
    assert len(lines) == 2
    for query in lines:
        assert sum(row["Visitors"] for row in await rows(installation, query, granularity)) >= 4


async def test_the_table_has_both_workflows(installation: Pipeline) -> None:
    """A kind's columns are empty for the other one."""
    table = await rows(installation, QUERIES["panel Workflows"])
    by_kind = {row["Kind"]: row for row in table}
    assert by_kind["page_navigation"]["Sessions"] == 6
    assert by_kind["page_navigation"]["Started"] is None
    assert by_kind["interaction"]["Started"] == 4
    assert by_kind["interaction"]["Sessions"] is None


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_of_the_plugins_form(name: str) -> None:
    """Fields and values that the plugin knows, and no others."""
    assert list(OAS31Validator(QUERY).iter_errors(QUERIES[name])) == []


def test_every_variable_exists_and_is_used() -> None:
    """No address names one that is missing; the plugin's own ones are the ends of the range."""
    named = {match for query in QUERIES.values() for match in re.findall(r"\$\{(\w+)", query["url"])}
    assert named - {"__timeFrom", "__timeTo"} == set(variables()) - {"datasource"}


def test_the_data_source_is_the_one_that_the_board_names() -> None:
    """The plugin, its version in compose.yaml, a token out of the environment, and no other host for it."""
    provisioned = source()
    assert provisioned["type"] == PLUGIN == variables()["datasource"]["query"]
    assert provisioned["uid"] == variables()["datasource"]["current"]["value"]
    assert provisioned["jsonData"]["allowedHosts"] == [provisioned["url"]]
    address = urlsplit(provisioned["jsonData"]["customHealthCheckUrl"])
    assert f"{address.scheme}://{address.netloc}" == provisioned["url"]
    [compose] = documents(DEPLOY / "compose.yaml")
    grafana = compose["services"]["grafana"]
    assert re.fullmatch(rf"{PLUGIN}@\d+\.\d+\.\d+", grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"])
    # Grafana would install no plugin at all.
    assert "GF_PLUGINS_PREINSTALL_DISABLED" not in grafana["environment"]
    assert provisioned["secureJsonData"] == {"bearerToken": "$GRAFANA_TOKEN"}
    assert "GRAFANA_TOKEN" in grafana["environment"]
    assert set(compose["services"]["service"]["networks"]) & set(grafana["networks"])
    boards = {volume.split(":")[0] for volume in grafana["volumes"] if "grafana-boards" in volume}
    assert boards == {f"./grafana/{path.name}" for path in (DEPLOY / "grafana").glob("*.json")}


def test_panels_have_a_place_of_their_own() -> None:
    """No two have an id or a cell in common, and all fit the board's 24 columns."""
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in own) < 24
        assert not own & cells
        cells |= own
