"""The query table of `bench/README.md`."""

from collections.abc import Sequence
from statistics import median

from bench.figures import Rounds, Table, short

KINDS = {"page_navigation": "page navigation", "interaction": "interaction"}


def query_table(
    rounds: Rounds, slow: Sequence[tuple[float, str]], sizes: dict[str, int], visitors_an_hour: float
) -> Table:
    """The rows, from what the rounds measured."""
    table = Table("query")
    table.add(
        "the workflow's busiest hour, visitors on average", "> 5,000", short(visitors_an_hour), None, "its report"
    )
    for kind, words in KINDS.items():
        canned = rounds.median(f"C {kind}")
        table.add(f"C, {sizes[kind]} bytes", "", f"{short(canned)} requests/s", None, "aiohttp, canned answer")
        for name, what, target in (
            (f"polled {kind}", f"polled report, {words}, 1,000 events/s coming in", 0.6),
            (f"1 distinct {kind}", f"reports never asked before, {words}", 0.15),
        ):
            ratio = rounds.ratio(name, f"C {kind}")
            source = f"{short(rounds.median(name))} requests/s"
            table.add(what, f"{target} C", f"{ratio:.2f} C", ratio >= target, source)
        first = rounds.median(f"first {kind}")
        table.add(
            f"first report of a fresh process, {words}", "ping + 25 ms", f"ping + {first:.1f} ms", first <= 25, ""
        )
        long, brief = rounds.median(f"400 days {kind}"), rounds.median(f"1 days {kind}")
        ratio = rounds.ratio(f"400 days {kind}", f"1 days {kind}")
        source = f"{long:.2f} and {brief:.2f} ms"
        table.add(f"400 days against 1 day, {words}", "2 times", f"{ratio:.2f} times", ratio <= 2, source)
        pfcounts, us = rounds.median(f"pfcount {kind}"), rounds.median(f"redis µs {kind}")
        source = f"main thread with its reading and writing: {rounds.median(f'redis cpu µs {kind}'):.0f} µs"
        measured = f"{pfcounts:.0f} PFCOUNT, {us:.1f} µs"
        met = pfcounts == 0 and us < 20
        table.add(f"Redis time of a poll while nothing changes, {words}", "no PFCOUNT, 20 µs", measured, met, source)
    longest = max(slow, default=(0.0, ""))
    measured = f"{len(slow)} slower" + (f", the slowest {longest[0]:.0f} ms ({longest[1]})" if slow else "")
    table.add("any Redis command of all the above", "< 10 ms", measured, not slow, "SLOWLOG")
    _processes(table, rounds)
    busy = rounds.of("generator's share of a processor")
    refused = rounds.of("refused")
    table.add(
        "answers of 503 in all loads, first seconds of processes included",
        "",
        f"{sum(refused):.0f}",
        None,
        f"in {sum(map(bool, refused))} of {len(refused)} loads, not counted above",
    )
    fed = rounds.median("applied events/s meanwhile")
    table.add("the generator's share of a processor", "", f"{median(busy):.2f}, at most {max(busy):.2f}", None, "")
    table.add("events/s applied during the polls, starts and ends of processes included", "", short(fed), None, "")
    return table


def _processes(table: Table, rounds: Rounds) -> None:
    for kind, words in KINDS.items():
        what = f"two service processes against one, reports never asked before, {words}"
        if rounds.has(f"2 distinct {kind}"):
            ratio = rounds.ratio(f"2 distinct {kind}", f"1 distinct {kind}")
            table.add(
                what, "1.7 times", f"{ratio:.2f} times", ratio >= 1.7, "the generator takes from the same two cores"
            )
        else:
            table.add(what, "1.7 times", "not there", met=False, source="`sidedata serve` has no `--processes`")
