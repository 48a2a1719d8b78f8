#!/usr/bin/env bash
# PyPI's sseclient cuts an event's data at some letters, and makes an event of each comment.
#
# Guess: "text/event-stream" is UTF-8 to every client, whatever the header says, and comments are for keeping alive alone.
# Seen with sseclient 0.0.27 (its newest), aiohttp 3.14.5 serving: without "; charset=utf-8" in the
# header it reads ISO 8859-1. A letter with the byte 0x85 (Å, Cyrillic х) is then a line's end, the rest of the data is lost,
# and the JSON is broken. With the charset all is well. A comment becomes an event "message" with empty data either way.
# sseclient-py 1.9.0, which is imported by the same name, does neither.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python aiohttp==3.14.5 requests==2.32.5 six==1.17.0
for package in sseclient==0.0.27 sseclient-py==1.9.0; do
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$folder/$package" "$package" 2>/dev/null
done

cat >"$folder/serve.py" <<'PYTHON'
import os
from aiohttp import web


async def stream(request):
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream" + request.query_string})
    await response.prepare(request)
    await response.write(': alive\n\ndata: {"name": "Åland and Ελλάδα"}\n\n'.encode())
    return response



application = web.Application()
application.router.add_get("/", stream)
web.run_app(application, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
PYTHON
PORT=$(ports)
export PORT
"$folder/venv/bin/python" "$folder/serve.py" >"$folder/serve.log" 2>&1 &
pids+=($!)

for package in sseclient==0.0.27 sseclient-py==1.9.0; do
  PYTHONPATH="$folder/$package" "$folder/venv/bin/python" - "$package" <<'PYTHON'
import os
import sys
import time
import requests
import sseclient

address = f"http://127.0.0.1:{os.environ['PORT']}/"
for _ in range(100):
    try:
        requests.get(address, timeout=5)
        break
    except requests.ConnectionError:
        time.sleep(0.1)
for charset in "", "; charset=utf-8":
    events = []
    try:
        if "py" in sys.argv[1]:
            answer = requests.get(address + "?" + charset, stream=True, timeout=5)
            source = sseclient.SSEClient(answer).events()
        else:
            source = sseclient.SSEClient(address + "?" + charset)
        for event in source:
            events.append(event.data)
            if "name" in event.data:
                break
    except Exception as error:
        events.append(type(error).__name__)
    print(sys.argv[1], charset or "no charset", events)
PYTHON
done >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
sseclient==0.0.27 no charset ['', '{"name": "Ã']
sseclient==0.0.27 ; charset=utf-8 ['', '{"name": "Åland and Ελλάδα"}']
sseclient-py==1.9.0 no charset ['{"name": "Åland and Ελλάδα"}']
sseclient-py==1.9.0 ; charset=utf-8 ['{"name": "Åland and Ελλάδα"}']
RECORD
