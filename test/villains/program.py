"""A command agent that does as its tasks tell it, good and bad. Speaks the protocol by hand, without threads."""
import json, os, signal, socket, subprocess, sys, time

mode = sys.argv[1] if len(sys.argv) > 1 else ''
if mode == 'deaf':
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == 'mute':
    time.sleep(600)
if mode == 'garbage':
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ['SITTER_SOCKET'])
    while True:
        link.sendall(b'this is no frame\n')


def dial(agents, held):
    global link, lines
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ['SITTER_SOCKET'])
    lines = link.makefile('rb')
    send(id='hello', method='hello', params={
        'protocol': 1, 'agents': agents, 'tasks': ['echo'], 'version': 'villain', 'open': held})


def send(**frame):
    link.sendall(json.dumps({'jsonrpc': '2.0', **frame}).encode() + b'\n')


def done(run, result):
    send(id=run['attempt'], method='done', params={'agent': run['agent'], 'attempt': run['attempt'], 'result': result})


def act(run):
    kind, payload = run['type'], run['payload']
    if kind == 'echo':
        done(run, {'pid': os.getpid(), 'payload': payload, 'key': run['key']})
    elif kind == 'fail':
        send(id=run['attempt'], method='fail', params={
            'agent': run['agent'], 'attempt': run['attempt'],
            'error': {'name': 'Broke', 'message': 'as told', 'kind': payload.get('kind', 'transient')}})
    elif kind == 'environment':
        done(run, {'names': sorted(os.environ), 'directory': os.getcwd(), 'stdin': sys.stdin.read()})
    elif kind == 'child':
        # A grandchild in the same group, which outlives its parent unless somebody cares.
        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
        done(run, {'child': child.pid})
    elif kind == 'flood':
        for number in range(payload['lines']):
            print('line', number, 'x' * payload.get('width', 60))
        sys.stdout.flush()
        print('a last word', file=sys.stderr, flush=True)
        done(run, {'printed': payload['lines']})
    elif kind == 'hangup':
        lines.close()
        link.close()
        time.sleep(0.2)
        dial([run['agent']], [{'attempt': run['attempt'], 'epoch': 1}])
        held[:] = [run]
    elif kind == 'stay-away':
        lines.close()
        link.close()
        time.sleep(600)
    elif kind == 'exit':
        print('leaving', file=sys.stderr, flush=True)
        sys.exit(payload['code'])
    elif kind == 'broken':
        send(method='agent.broken', params={'agent': run['agent'], 'error': {'name': 'Fault', 'message': 'as told'}})
    elif kind == 'chatter':
        for _ in range(payload['times']):
            send(method='gauge', params={'agent': run['agent']})
            send(method='beat', params={'progress': 'whose?'})
        done(run, {'pid': os.getpid()})
    elif kind == 'hang':
        time.sleep(600)


held = []
dial(['villain/0009'] if mode == 'stranger' else [], [])
agent = None
while True:
    line = lines.readline()
    if not line:
        sys.exit(0)
    frame = json.loads(line)
    if frame.get('id') == 'hello':
        if 'result' in frame:
            agent = frame['result']['seats'][0]['agent']
            for run in held:
                done(run, {'after': 'hello'})
            held = []
    elif frame.get('method') == 'run':
        act(frame['params'])
    elif frame.get('method') == 'ping':
        send(id=frame['id'], result={'nonce': frame['params']['nonce'], 'agents': [agent], 'open': []})
    elif frame.get('method') == 'drain':
        send(id=frame['id'], result={'open': []})
