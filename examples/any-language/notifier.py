#!/usr/bin/env python3
"""A Swarmsitter agent in Python, standard library only. The words are explained in docs/protocol.md."""
import json, os, socket, threading, time, traceback

MOST = 256 * 1024  # bytes of a frame, its newline not counted
writing = threading.Lock()
seat, link, draining = {}, None, False
hand, cancelled = {}, {}  # attempts given to us and not yet taken back: how each ended; and why we were told to give it up


def notify(payload, progress):
    """The work itself. What it returns is the result; what it raises is the failure, tried again later."""
    progress("telling " + payload["to"])  # say so every few seconds: it is also where a cancelled task stops
    return {"told": payload["to"]}


TASKS = {"notify": notify}


class Cancelled(Exception):
    pass


def line(**frame):
    return json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n"


def send(**frame):
    try:
        with writing:
            link.sendall(line(**frame))
    except OSError:
        pass  # the link is gone: what needs an answer is sent again after the next hello


def failed(ids, error, kind):
    told = {"name": type(error).__name__, "message": str(error), "stack": traceback.format_exc()[-16000:]}
    return {"method": "fail", "params": {**ids, "error": {**told, "kind": kind}}}


def work(run):
    ids = {"agent": run["agent"], "attempt": run["attempt"]}

    def progress(text):
        if run["attempt"] in cancelled:
            raise Cancelled(cancelled[run["attempt"]])
        send(method="beat", params={"agent": run["agent"], "progress": text})

    try:
        end = {"method": "done", "params": {**ids, "result": TASKS[run["type"]](run["payload"], progress)}}
        if len(json.dumps(end)) > MOST - 1024:
            raise ValueError("the result is too large")
    except Cancelled as error:
        end = failed(ids, error, "interrupted")
    except Exception as error:
        end = failed(ids, error, "permanent" if isinstance(error, (KeyError, TypeError, ValueError)) else "transient")
    hand[run["attempt"]] = end
    tell(run["attempt"])


def tell(attempt):
    end = hand.get(attempt)
    if end:
        send(id=end["method"] + " " + attempt, **end)


def answered(frame):
    """An ending was taken; or what may pass is told again; or it is not ours any more; or the result will not do."""
    method, _, attempt = str(frame["id"]).partition(" ")
    facts = (frame.get("error") or {}).get("data") or {}
    if not hand.get(attempt) or hand[attempt]["method"] != method:
        return
    gone = facts.get("code") in ("stale", "not-found", "not-your-agent")
    if not gone and (facts.get("kind") in ("transient", "unknown") or "retryAfterMs" in facts):
        threading.Timer(facts.get("retryAfterMs", 1000) / 1000, tell, (attempt,)).start()
    elif not gone and "error" in frame and method == "done":
        ids = {"agent": seat["agent"], "attempt": attempt}
        hand[attempt] = failed(ids, RuntimeError("the result was refused: " + frame["error"]["message"]), "permanent")
        tell(attempt)
    else:
        hand.pop(attempt), cancelled.pop(attempt, None)


def drain(frame, asked_on):
    until = time.monotonic() + frame["params"]["withinMs"] / 1000
    while hand and time.monotonic() < until:
        time.sleep(0.05)
    if link is asked_on:  # a question ends with its link
        send(id=frame["id"], result={"open": in_hand()})


def in_hand():
    return [{"agent": seat["agent"], "attempt": attempt} for attempt in list(hand)]


def take(frame):
    global draining
    method, params = frame.get("method"), frame.get("params")
    if frame.get("id") == "hello":
        seat.update(frame["result"]["seats"][0])  # a refused hello has no result: the program ends with the error
        for attempt in list(hand):
            tell(attempt)
    elif method is None:
        answered(frame)
    elif method == "run" and params["attempt"] not in hand and not draining:
        hand[params["attempt"]] = None
        threading.Thread(target=work, args=(params,), daemon=True).start()
    elif method == "cancel" and params["attempt"] in hand:
        cancelled[params["attempt"]] = params["reason"]
    elif method == "ping":
        send(id=frame["id"], result={"nonce": params["nonce"], "agents": [seat["agent"]], "open": in_hand()})
    elif method == "drain":
        draining = True
        threading.Thread(target=drain, args=(frame, link), daemon=True).start()
    elif "id" in frame:
        send(id=frame["id"], error={"code": -32601, "message": "unknown method " + str(method)})


while True:  # for ever: the sitter ends this program when it is no longer needed
    try:
        new = socket.socket(socket.AF_UNIX)
        new.connect(os.environ["SITTER_SOCKET"])
        held = [{"attempt": attempt, "epoch": seat["epoch"]} for attempt in list(hand)]
        agents = [seat["agent"]] if seat else []
        hello = {"protocol": 1, "agents": agents, "tasks": list(TASKS), "version": "1.0", "open": held}
        with writing:  # nothing may be sent before it
            new.sendall(line(id="hello", method="hello", params=hello))
            link = new
        for text in link.makefile("rb"):
            try:
                frame = json.loads(text)
            except ValueError:
                continue  # a line that we cannot read
            take(frame)
    except OSError:
        pass
    time.sleep(0.5)  # nobody listens, or the link ended: try again until we are ended
