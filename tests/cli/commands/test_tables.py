"""Tables in a terminal that is too narrow for them."""

import pytest

from sidedata.cli.tables import print_table


def test_a_wide_last_column_moves_below(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids stay on one line, and every word is there."""
    monkeypatch.setenv("COLUMNS", "20")
    print_table(("id", "n", "detail"), [("abcdefgh", 12, "one two three four"), ("i", 3, "")])
    assert capsys.readouterr().out.splitlines() == [
        "id         n",
        "    detail",
        "abcdefgh  12",
        "    one two three",
        "    four",
        "i          3",
    ]


def test_wide_columns_move_below(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As many on a line as fit; only a cell that is wider than the terminal is folded."""
    monkeypatch.setenv("COLUMNS", "20")
    print_table(("id", "at", "type", "number", "detail"), [("abcdefgh", "2026-11-28", "view", 7, "one two three four")])
    assert capsys.readouterr().out.splitlines() == [
        "id        at",
        "    type  number",
        "    detail",
        "abcdefgh  2026-11-28",
        "    view       7",
        "    one two three",
        "    four",
    ]
    print_table(("id", "at"), [("abcdefghijklmnopqrstuvwxyz", "2026")])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 20


def test_a_name_can_not_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of names, which clients choose, are shown as escapes."""
    print_table(("name",), [("a\x1b[2Jb\nc",)])
    assert capsys.readouterr().out.splitlines() == ["name", "a\\x1b[2Jb\\nc"]
