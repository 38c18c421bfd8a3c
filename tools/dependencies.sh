#!/bin/bash
# Installs the Debian packages Larder needs, and only those that are missing.
#
#   tools/dependencies.sh build    what it takes to build and run the server
#   tools/dependencies.sh test     what the tests and checks need besides
#   tools/dependencies.sh all      both
#
# Says nothing when nothing is missing, and then needs no rights. This is the only list of
# packages in the tree: a new need is a new line here.
set -euo pipefail

build_packages=(
  g++ cmake ninja-build ccache pkg-config  # the build
  libasio-dev                              # sockets and loops
  libfmt-dev                               # text
  libcli11-dev                             # command line
  liblua5.1-0-dev                          # EVAL
  libssl-dev                               # TLS; SHA1 of scripts
  liblzf-dev                               # RESTORE
  doctest-dev                              # the suites (CMake looks for it always)
)

test_packages=(
  git                                      # which files are ours
  clang libclang-rt-14-dev llvm            # tsan and fuzz builds, readable reports
  clang-format clang-tidy                  # style
  redis-server redis-tools                 # the server we compare with, redis-cli, redis-benchmark
  libbenchmark-dev                         # tools/bench: bench_micro
  python3 python3-pytest python3-redis     # client tests
  python3-hiredis                          # the C parser, as projects have it
  python3-django python3-django-redis python3-djangorestframework
  python3-flask-caching python3-cachelib python3-celery
  ruby-redis ruby-activesupport ruby-sidekiq
  php-cli php-redis php-nrk-predis php-symfony-cache
  golang-go golang-github-gomodule-redigo-dev
  dpkg-dev file systemd                    # the Debian package and its unit; lintian too judges it if it is there
)

# These come from elsewhere on many machines: any working command will do.
test_commands=(node:nodejs npm:npm)

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

find_missing() {
  local package entry
  for package in "$@"; do
    is_installed "$package" || echo "$package"
  done
  if [ "$purpose" != build ]; then
    for entry in "${test_commands[@]}"; do
      command -v "${entry%%:*}" >/dev/null || echo "${entry##*:}"
    done
  fi
}

# Debian starts a freshly installed redis-server on port 6379, which is Larder's own default.
# We want only the program: stop the service we brought in, and keep it off at boot.
quieten_redis() {
  "${as_root[@]}" invoke-rc.d redis-server stop >/dev/null 2>&1 || true
  "${as_root[@]}" update-rc.d redis-server disable >/dev/null 2>&1 || true
}

purpose="${1:-}"
case "$purpose" in
  build) wanted=("${build_packages[@]}") ;;
  test) wanted=("${test_packages[@]}") ;;
  all) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *)
    echo "usage: tools/dependencies.sh build|test|all" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "tools/dependencies.sh: this is not a Debian system; install by hand what the lists" \
    "in this file name, then use cmake --preset release." >&2
  exit 1
fi

mapfile -t missing < <(find_missing "${wanted[@]}")
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "tools/dependencies.sh: these packages are missing and installing them needs root" \
      "or sudo: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing: ${missing[*]}" >&2
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
    -o APT::Install-Recommends=false "$@" >>"$log" 2>&1
}
if ! { apt update && apt install -y "${missing[@]}"; }; then
  cat "$log" >&2
  echo "tools/dependencies.sh: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
[[ " ${missing[*]} " == *" redis-server "* ]] && quieten_redis
exit 0
