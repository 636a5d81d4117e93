#!/bin/sh
# Clones HEAD into an empty folder and runs it as a newcomer would: an empty HOME, empty caches, and a PATH with
# nothing but Python, make, git and the usual small tools. Says how long each part took and what is left running.
# Package indexes and certificates configured in the environment stay configured.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/fresh.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/home"

python=${PYTHON:-$(cd "$root" && .venv/bin/python -c 'import sys; print(sys._base_executable)' 2>/dev/null || command -v python3)}
ln -s "$python" "$work/bin/python3"
for tool in make git sh bash env awk cat chmod cp cut dirname basename grep head ln ls mkdir mktemp mv pwd rm sed \
    sleep sort tail touch tr uname wc xargs; do
    path=$(command -v "$tool") && ln -s "$path" "$work/bin/$tool"
done

clean() { # runs a command with nothing of this machine but what is named here
    env -i HOME="$work/home" PATH="$work/bin" TMPDIR="$work" LANG=C.UTF-8 \
        $(env | grep -E '^(PIP_|UV_(DEFAULT_INDEX|INDEX)|SSL_CERT_|REQUESTS_CA_BUNDLE=|NODE_EXTRA_CA_CERTS=|[A-Za-z]+_(proxy|PROXY)=)' |
            grep -E '^[A-Za-z_]+=[^ ]*$') "$@"
}

timed() { # name, command …
    name=$1
    shift
    begun=$(date +%s)
    clean "$@"
    echo "fresh: $name took $(($(date +%s) - begun)) s"
}

git clone --quiet "$root" "$work/mcpanel"
cd "$work/mcpanel"
echo "fresh: $(git log -1 --format='%h %s')"
timed "make env (downloads included)" make env
ports=$("$work/mcpanel/.venv/bin/python" -c '
from stack.ports import Ports
print(*(f"{name}={port}" for name, port in Ports.free().environment().items()))')
# Free ports, so that the proof runs beside a stack that is up.
timed "make run ONCE=1" make run ONCE=1 $ports
timed "make run ONCE=1, warm" make run ONCE=1 $ports
if [ "${FRESH_TEST:-}" = 1 ]; then
    timed "make test" make test
fi
cd / # so that nothing of this script counts
left=$(for cwd in /proc/[0-9]*/cwd; do
    case $(readlink "$cwd" 2>/dev/null) in "$work"*) echo "${cwd%/cwd}" ;; esac
done)
for process in $left; do
    echo "fresh: process ${process#/proc/} is left: $(tr '\0' ' ' <"$process/cmdline")"
done
[ -z "$left" ] || exit 1
echo "fresh: no process is left"
