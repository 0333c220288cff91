#!/usr/bin/env bash
# Runs every fuzzer of a build for a while, from its committed corpus.
#   tools/run_fuzzers.sh BUILD_DIR SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
seconds=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fuzz_one() {
  local fuzzer=$1 name new
  name=$(basename "$fuzzer")
  new=$scratch/$name
  mkdir -p "$new"
  local corpus=fuzz/corpus/$name
  [ -d "$corpus" ] || { echo "$name has no corpus in $corpus" >&2; return 1; }
  "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$new/crash-" "$new" "$corpus" >"$new.log" 2>&1 || {
    tail -n 40 "$new.log"
    for crash in "$new"/crash-*; do
      [ -f "$crash" ] && { echo "$(basename "$crash"):"; base64 "$crash"; }
    done
    echo "$name FAILED" >&2
    return 1
  }
  echo "$name: $(grep -o 'stat::number_of_executed_units: [0-9]*' "$new.log" | grep -o '[0-9]*$') runs"
}
export -f fuzz_one
export seconds scratch

mapfile -t fuzzers < <(find "$build/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | sort)
[ ${#fuzzers[@]} -gt 0 ] || { echo "no fuzzers in $build/fuzz" >&2; exit 1; }
printf '%s\0' "${fuzzers[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'fuzz_one "$1"' _ {}
echo "${#fuzzers[@]} fuzzers, $seconds s each"
