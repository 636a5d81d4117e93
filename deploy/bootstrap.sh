#!/bin/sh
# Finds a Python that MCPanel supports and runs bootstrap.py with it: `deploy/bootstrap.sh [install|lock]`.
found=
here=$(dirname "$0")
for python in "${PYTHON:-$here/../.venv/bin/python}" python3.14 python3.13 python3.12 python3.11 python3 python; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case $version in
    3.11 | 3.12 | 3.13 | 3.14) exec "$python" -I "$here/bootstrap.py" "$@" ;;
    esac
    found="$found $python is $version;"
done
echo "error: MCPanel needs Python 3.11, 3.12, 3.13 or 3.14, and none is on the PATH.${found:+ Found:$found} install one, or name it with PYTHON=/path/to/python3" >&2
exit 1
