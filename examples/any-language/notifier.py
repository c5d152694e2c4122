#!/usr/bin/env python3
"""A Swarmsitter agent in Python, standard library only. The words are explained in docs/protocol.md."""
import json, os, socket, threading, time, traceback

MOST = 256 * 1024  # bytes of a frame, its newline not counted
writing = threading.Lock()
seat, link, hand = {}, None, {}  # hand: attempts given to us and not yet taken back, with how each ended


def notify(payload, progress):
    """The work itself. What it returns is the result; what it raises is the failure, tried again later."""
    progress("telling " + payload["to"])
    return {"told": payload["to"]}


TASKS = {"notify": notify}


def send(**frame):
    try:
        with writing:
            link.sendall(json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n")
    except OSError:
        pass  # the link is gone: what needs an answer is sent again after the next hello


def work(run):
    ids = {"agent": run["agent"], "attempt": run["attempt"]}
    try:
        progress = lambda text: send(method="beat", params={"agent": run["agent"], "progress": text})
        end = {"method": "done", "params": {**ids, "result": TASKS[run["type"]](run["payload"], progress)}}
        if len(json.dumps(end)) > MOST - 1024:
            raise ValueError("the result is too large")
    except Exception as error:
        told = {"name": type(error).__name__, "message": str(error), "stack": traceback.format_exc()[-16000:]}
        kind = "permanent" if isinstance(error, (KeyError, TypeError, ValueError)) else "transient"
        end = {"method": "fail", "params": {**ids, "error": {**told, "kind": kind}}}
    hand[run["attempt"]] = end
    send(id=run["attempt"], **end)


def drain(frame):
    until = time.monotonic() + frame["params"]["withinMs"] / 1000
    while hand and time.monotonic() < until:
        time.sleep(0.05)
    send(id=frame["id"], result={"open": pong_open()})


def pong_open():
    return [{"agent": seat.get("agent"), "attempt": attempt} for attempt in list(hand)]


def answered(frame):
    """An ending was taken, or not. What may pass is told again; anything else (`stale`) is not ours any more."""
    facts = (frame.get("error") or {}).get("data", {})
    again = facts.get("kind") in ("transient", "unknown") and hand.get(frame["id"])
    if again:
        threading.Timer(facts.get("retryAfterMs", 1000) / 1000, send, kwargs={"id": frame["id"], **again}).start()
    else:
        hand.pop(frame["id"], None)


def take(frame):
    method, params = frame.get("method"), frame.get("params")
    if frame.get("id") == "hello":
        seat.update(frame["result"]["seats"][0])  # a refused hello has no result: the program ends with the error
        for attempt, end in list(hand.items()):
            if end:
                send(id=attempt, **end)
    elif method is None:
        answered(frame)
    elif method == "run" and params["attempt"] not in hand:
        hand[params["attempt"]] = None
        threading.Thread(target=work, args=(params,), daemon=True).start()
    elif method == "ping":
        send(id=frame["id"], result={"nonce": params["nonce"], "agents": [seat["agent"]], "open": pong_open()})
    elif method == "drain":
        threading.Thread(target=drain, args=(frame,), daemon=True).start()
    elif "id" in frame:
        send(id=frame["id"], error={"code": -32601, "message": "unknown method " + str(method)})


while True:  # for ever: the sitter ends this program when it is no longer needed
    try:
        link = socket.socket(socket.AF_UNIX)
        link.connect(os.environ["SITTER_SOCKET"])
        held = [{"attempt": attempt, "epoch": seat.get("epoch", 0)} for attempt in hand]
        agents = [seat["agent"]] if seat else []
        send(id="hello", method="hello", params={
            "protocol": 1, "agents": agents, "tasks": list(TASKS), "version": "1.0", "open": held})
        for line in link.makefile("rb"):
            if len(line) <= MOST + 1:
                take(json.loads(line))
    except OSError:
        time.sleep(0.5)  # nobody listens: try again until we are ended
