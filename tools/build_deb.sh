#!/usr/bin/env bash
# Builds the Debian package of the program, its completions and its manual page into dist/, from a
# build folder in which the program is, and tries what is in it.
#   tools/build_deb.sh [BUILD_DIR]    default build/release
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build/release}")
cmake --build "$build" --target narrow_program
# The directory's times and the order of files are those of the last commit, for equal packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
rm -rf build/deb
cpack --config "$build/CPackConfig.cmake" -B build/deb
mkdir -p dist
rm -f dist/narrow_*.deb
cp build/deb/narrow_*.deb dist/
package=$(echo dist/narrow_*.deb)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-deb --extract "$package" "$folder"
for file in bin/narrow bin/quantizer share/man/man1/narrow.1 share/zsh/site-functions/_narrow \
  share/bash-completion/completions/narrow share/fish/vendor_completions.d/narrow.fish \
  share/doc/narrow/copyright; do
  [ -e "$folder/usr/$file" ] || { echo "$package lacks /usr/$file" >&2; exit 1; }
done
dpkg-deb --field "$package" Depends | grep -q libdnnl2 || {
  echo "$package does not name the libraries that it needs" >&2
  exit 1
}
"$folder/usr/bin/narrow" version >/dev/null
echo "$package"
