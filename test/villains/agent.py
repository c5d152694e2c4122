"""A command agent that keeps the protocol but for one fault, which its argument names. Without one it keeps all of it."""
import json, os, socket, sys, threading, time

fault = sys.argv[1] if len(sys.argv) > 1 else ''
lock = threading.RLock()
done_before = []
hand, cancelled, link, seat, draining = {}, set(), None, {}, False


def send(**frame):
    if fault != 'without-jsonrpc':
        frame = {'jsonrpc': '2.0', **frame}
    try:
        with lock:
            link.sendall(json.dumps(frame, indent=1 if fault == 'pretty' else None).encode() + b'\n')
    except OSError:
        pass


def work(run):
    lasts = run['payload'].get('ms', 0) / 1000
    # Its first task ends by itself, so that there is something to compare with.
    if fault == 'deaf-to-cancel' and done_before:
        lasts = 60
    done_before.append(run['attempt'])
    until = time.monotonic() + lasts
    who = {} if fault == 'beat-without-agent' else {'agent': run['agent']}
    send(method='beat', params={**who, 'progress': 'working'})
    if fault == 'fatal-log':
        send(method='log', params={'agent': run['agent'], 'level': 'fatal', 'message': 'as told'})
    if fault == 'unknown-notification':
        send(method='gauge', params={'agent': run['agent']})
    while time.monotonic() < until and (fault == 'deaf-to-cancel' or run['attempt'] not in cancelled):
        time.sleep(0.02)
    if run['attempt'] in cancelled and fault != 'deaf-to-cancel':
        return tell(run, 'fail', {'error': {'name': 'Cancelled', 'message': 'as told', 'kind': 'interrupted'}})
    if fault == 'unknown-kind':
        return tell(run, 'fail', {'error': {'name': 'Broke', 'message': 'as told', 'kind': 'transitory'}})
    tell(run, 'done', {'result': run['payload']})


def tell(run, method, params):
    attempt = {} if fault == 'without-attempt' else {'attempt': run['attempt']}
    with lock:
        hand[run['attempt']] = {'method': method, 'params': {'agent': run['agent'], **attempt, **params}}
        again(run['attempt'])


def again(attempt):
    if hand.get(attempt):
        send(id=attempt + ('x' * 300 if fault == 'long-id' else ''), **hand[attempt])


def answered(frame):
    data = (frame.get('error') or {}).get('data') or {}
    if data.get('kind') == 'transient':
        wait = 0 if fault == 'impatient' else data['retryAfterMs'] / 1000
        return threading.Timer(wait, again, (frame['id'],)).start()
    if data.get('code') == 'stale' and fault == 'stubborn':
        return again(frame['id'])
    hand.pop(frame['id'], None)


def drain(frame):
    until = time.monotonic() + frame['params']['withinMs'] / 1000
    while hand and time.monotonic() < until and fault != 'hasty-drain':
        time.sleep(0.02)
    send(id=frame['id'], result={'open': opened()})


def opened():
    return [{'agent': seat['agent'], 'attempt': attempt} for attempt in list(hand)]


def take(frame):
    global draining
    method, params = frame.get('method'), frame.get('params')
    if frame.get('id') == 'hello':
        seat.update(frame['result']['seats'][0])
        for attempt in list(hand):
            if fault != 'silent-after-link':
                again(attempt)
    elif method is None:
        answered(frame)
    elif method == 'run' and (not draining or fault == 'greedy-drain'):
        if fault == 'dies':
            sys.exit(3)
        hand[params['attempt']] = None
        if fault == 'blocking':
            work(params)
        else:
            threading.Thread(target=work, args=(params,), daemon=True).start()
    elif method == 'cancel':
        cancelled.add(params['attempt'])
    elif method == 'ping':
        held = [] if fault == 'forgetful-ping' else opened()
        send(id=frame['id'], result={'nonce': params['nonce'], 'agents': [seat['agent']], 'open': held})
    elif method == 'drain':
        draining = True
        threading.Thread(target=drain, args=(frame,), daemon=True).start()
    elif 'id' in frame or (fault == 'answers-notification' and method.startswith('check')):
        send(id=frame.get('id', 99), error={'code': -32601, 'message': 'unknown'})


while True:
    with lock:
        link = socket.socket(socket.AF_UNIX)
        link.connect(os.environ['SITTER_SOCKET'])
        held = [{'attempt': attempt, 'epoch': seat['epoch']} for attempt in hand]
        if fault == 'without-epoch':
            held = [{'attempt': attempt} for attempt in hand]
        send(id='hello', method='hello', params={
            'protocol': 1, 'agents': [], 'tasks': ['work'], 'version': 'villain', 'open': held})
    for line in link.makefile('rb'):
        try:
            frame = json.loads(line)
        except ValueError:
            continue
        take(frame)
    if fault == 'ends-with-link':
        sys.exit(0)
    if fault == 'forgets-with-link':
        hand.clear()
