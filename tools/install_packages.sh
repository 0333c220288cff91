#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing.
#   tools/install_packages.sh [build|all]    build: only those up to the heading "to test"
set -euo pipefail
cd "$(dirname "$0")/.."

list() {
  local upto=${1:-all}
  if [ "$upto" = build ]; then
    sed '/^# to test/,$d' packages.txt
  else
    cat packages.txt
  fi | sed 's/#.*//' | awk 'NF {print $1}'
}

missing=()
for package in $(list "${1:-all}"); do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
    missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "these packages are missing, and only root can install them: ${missing[*]}" >&2
    exit 2
  }
  as_root=(sudo)
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
if ! { "${as_root[@]}" apt-get update -q &&
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -q --no-install-recommends \
    "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "installing packages failed; the log above says why" >&2
  exit 2
fi
rm -f "$log"
