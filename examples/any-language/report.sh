#!/bin/sh
# One task: the payload on stdin, the result on stdout, what is worth a line of the log on stderr. Exit 0 is done;
# 64 65 66 70 76 77 78 fail for good; 75 and all others are tried again.
payload=$(cat)
echo "report of $SITTER_TASK, try $SITTER_NUMBER" >&2
case $payload in
  *'"title"'*) ;;
  *) echo 'the payload has no title' >&2; exit 65 ;;
esac
printf '{"agent":"%s","payload":%s}\n' "$SITTER_AGENT" "$payload"
