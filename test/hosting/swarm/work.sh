#!/bin/sh
# One task: {"do":"…"} on stdin. Each tries one limit of its cell; what became of it is for the kernel's counters to say.
read -r payload
case $payload in
  *memory*) exec python3 -c 'x = bytearray(300_000_000); print("\"%d bytes\"" % len(x))' ;;
  *processes*)
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1 & done
    echo '"more processes than it may"' ;;
  *cpu*)
    python3 -c 'import time
end = time.monotonic() + 3
while time.monotonic() < end: pass
print("\"used %.1f s of 3 s\"" % time.process_time())' ;;
  *daemon*)
    # Leaves its session and its parent; the kernel finds it all the same.
    setsid sh -c 'exec >/dev/null 2>&1 </dev/null; trap "" TERM HUP; sleep 7777' &
    echo '"left a daemon"' ;;
  *status*) grep -E '^(Uid|NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr -s '\t\n' '  ' | sed 's/^/"/; s/ *$/"/' ;;
  *) echo '"done"' ;;
esac
