"""The board in Grafana: its variables, and its queries as Prometheus reads them."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec.yaml

from tests.support.paths import DEPLOY
from tests.support.repository.deploy_files import passes, tool

# Those that Grafana sets by itself.
BUILT_IN = {"__rate_interval"}


def board() -> dict[str, Any]:
    """Return the board."""
    loaded: dict[str, Any] = json.loads((DEPLOY / "grafana/sidedata.json").read_text(encoding="utf-8"))
    return loaded


def variables() -> dict[str, dict[str, Any]]:
    """Return the board's variables by name."""
    return {variable["name"]: variable for variable in board()["templating"]["list"]}


def queries() -> list[str]:
    """Return the queries of all panels."""
    return [target["expr"] for panel in board()["panels"] for target in panel.get("targets", [])]


def test_every_variable_exists_and_is_used() -> None:
    """Data source, job, process and Redis can be chosen; no query names a variable that is missing."""
    assert list(variables()) == ["datasource", "job", "instance", "redis"]
    texts = [*queries(), *(str(variable["query"]) for variable in variables().values())]
    named = {name for text in texts for name in re.findall(r"\$\{?(\w+)", text)}
    assert named - BUILT_IN == set(variables()) - {"datasource"}


def test_every_query_is_of_the_chosen_processes() -> None:
    """Each selector holds the variable of its kind: Redis's own metrics the server, all others the process."""
    for query in queries():
        plain = re.sub(r'"[^"]*"', lambda text: text[0].replace("{", "(").replace("}", ")"), query)
        for name, labels in re.findall(r"\b((?:sidedata|process|redis)_\w+)(?:\{([^}]*)\})?", plain):
            assert f'instance=~"${"redis" if name.startswith("redis_") else "instance"}"' in labels, query


def test_choices_are_several_or_all() -> None:
    """All is the default and matches whatever there is, a series without the label included."""
    for name in ("job", "instance", "redis"):
        variable = variables()[name]
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")
        assert variable["current"]["value"] == ["$__all"]
        assert variable["datasource"]["uid"] == "${datasource}"


def test_promtool_parses_every_query(tmp_path: Path) -> None:
    """With a value for each variable, as the expression of a rule."""
    rules = []
    for number, query in enumerate(queries()):
        expression = query.replace("$__rate_interval", "1m")
        expression = re.sub(r"\$\w+", ".*", expression)
        rules.append({"record": f"board:query:{number}", "expr": expression})
    path = tmp_path / "rules.yaml"
    path.write_bytes(msgspec.yaml.encode({"groups": [{"name": "board", "rules": rules}]}))
    assert f"{len(rules)} rules found" in passes(tool("promtool"), "check", "rules", path)
