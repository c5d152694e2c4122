"""An unmodified program: the standard library, a key from the environment, and URLs. Tells what became of each."""
import json
import os
import socket
import sys
import urllib.error
import urllib.request


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    except Exception as error:
        return ["failed", str(error)]


def dial(place):
    host, port = place.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return "connected"
    except OSError as error:
        return type(error).__name__


asked = json.load(sys.stdin)
key = os.environ["BANK_KEY"]
print(
    json.dumps(
        {
            "urls": {url: get(url, Authorization=f"Bearer {key}") for url in asked["urls"]},
            "dials": {place: dial(place) for place in asked["dials"]},
            "key": key,
            "children": open(f"/proc/self/task/{os.getpid()}/children").read().strip(),
        }
    )
)
