#!/bin/bash
# Installs what is missing, builds and tests everything, and ends with one plain line:
# "N passed, N failed". Exit status 0 only if nothing failed.
#
#   tools/test.sh            style, release, asan, fuzz, tsan
#   tools/test.sh --quick    style and release only
#   tools/test.sh --tidy     clang-tidy over every file as well (slow)
#
# Each stage prints its time. A stage that fails shows the end of its log and the rest still run,
# so one run tells all. Logs and results are kept in build/test. What is counted: doctest and
# pytest cases by their own count, any other ctest case as one, a stage without cases as one.
# LARDER_FUZZ_SECONDS sets how long each fuzz target runs (default 30).
set -uo pipefail
cd "$(dirname "$0")/.."

quick=no
tidy=no
for word in "$@"; do
  case "$word" in
    --quick) quick=yes ;;
    --tidy) tidy=yes ;;
    *)
      echo "usage: tools/test.sh [--quick] [--tidy]" >&2
      exit 2
      ;;
  esac
done

out="$PWD/build/test"
rm -rf "$out"
mkdir -p "$out"
jobs="$(nproc)"
passed=0
failed=0

# stage <name> <command>...: runs it with its output in a log, says how it went, counts its cases.
stage() {
  local name="$1" began=$SECONDS good=0 bad=0 skipped=0 verdict=ok
  shift
  "$@" >"$out/$name.log" 2>&1 || verdict=FAILED
  if [ -f "$out/$name.xml" ]; then
    read -r good bad skipped < <(/usr/bin/python3 tools/count_cases.py "$out/$name.xml")
  elif [ "$verdict" = ok ]; then
    good=1
  fi
  [ "$verdict" = FAILED ] && [ "$bad" -eq 0 ] && bad=1
  passed=$((passed + good))
  failed=$((failed + bad))
  [ "$verdict" = FAILED ] && tail -n 150 "$out/$name.log"
  printf '%-16s %-7s %4d s   %d passed, %d failed' \
    "$name" "$verdict" $((SECONDS - began)) "$good" "$bad"
  [ "$skipped" -gt 0 ] && printf ', %d skipped' "$skipped"
  printf '\n'
  [ "$verdict" = ok ]
}

check_format() {
  local file
  for file in $(git ls-files '*.h' '*.cc'); do
    clang-format "$file" | cmp -s "$file" - || echo "$file is not as clang-format lays it out"
  done | tee "$out/format.files"
  [ ! -s "$out/format.files" ]
}

build() {
  local preset="$1"
  shift
  cmake --preset "$preset" "${settings[@]}" && cmake --build --preset "$preset" -j "$jobs" "$@"
}

# Older thread sanitizers cannot place their shadow when the kernel randomises more than 28 bits.
tsan_launcher() {
  if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -gt 28 ] && setarch -R true; then
    echo "setarch -R"
  fi
}

# cases <preset> <labels>: the preset's ctest cases that carry one of the labels.
cases() {
  local preset="$1" labels="$2" launcher=""
  [ "$preset" = tsan ] && launcher="$(tsan_launcher)"
  $launcher ctest --preset "$preset" -L "$labels" -j "$jobs" \
    --output-junit "$out/$preset.xml" --test-output-size-passed 200000 \
    --test-output-size-failed 200000 --test-output-truncation head
}

# suite <preset> <labels> [<build argument>...]: build, then run.
suite() {
  local preset="$1" labels="$2"
  shift 2
  stage "$preset-build" build "$preset" "$@" && stage "$preset" cases "$preset" "$labels"
}

settings=()
if stage dependencies tools/dependencies.sh all; then
  stage format check_format
  suite release '^(unit|wire|boundaries|stress|layers|clients)$'
  if [ "$quick" = no ]; then
    settings=("-DLARDER_FUZZ_SECONDS=${LARDER_FUZZ_SECONDS:-30}")
    if stage asan-build build asan; then
      stage asan cases asan '^(unit|wire|boundaries|stress)$'
      stage fuzz cases fuzz '^fuzz$'
    fi
    settings=()
    suite tsan '^(threads|wire|stress)$' \
      --target larder storage_thread_tests stress_tests wire_tests hostile_clients_test
  fi
  [ "$tidy" = yes ] && stage tidy build tidy
fi

echo "total time $SECONDS s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
