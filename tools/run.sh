#!/bin/bash
# Builds Larder and starts it in the foreground on 127.0.0.1:6379. Arguments are the server's:
#
#   tools/run.sh --port 7000 --maxmemory 1gb
set -euo pipefail
top="$(cd "$(dirname "$0")/.." && pwd)"

"$top/tools/dependencies.sh" build
(
  cd "$top"
  [ -x build/release/larder ] || echo "building Larder; the first time takes some minutes" >&2
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  if ! { cmake --preset release && cmake --build --preset release --target larder; } >"$log" 2>&1
  then
    cat "$log" >&2
    echo "tools/run.sh: the build failed" >&2
    exit 1
  fi
)
exec "$top/build/release/larder" "$@"
