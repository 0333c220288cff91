#!/usr/bin/env bash
# Makes a release of the last commit: wheel, source distribution, Debian package, the documentation
# as a site, what is bundled with its licences (SBOM, CycloneDX), and checksums. Works on a clean
# clone, in which ./check runs first. Two runs of the same commit on the same packages give the same
# bytes.
#   tools/release.sh [--skip-check] [--force] [FOLDER]    default dist/VERSION; --force replaces it
set -euo pipefail
umask 022
refuse() { echo "$0: $1" >&2; exit 2; }

check=yes
force=no
folder=
for word; do
  case $word in
    --skip-check) check=no ;;
    --force) force=yes ;;
    -*) refuse "there is no $word; see the first lines of this script" ;;
    *) [ -z "$folder" ] || refuse "two folders, $folder and $word"; folder=$word ;;
  esac
done
root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^project(narrow VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
folder=$(realpath -m "${folder:-$root/dist/$version}")
[ -n "$version" ] || refuse "CMakeLists.txt names no version"
changes=$(git -C "$root" status --porcelain)
[ -z "$changes" ] || refuse "$root has changes that are in no commit"
grep -qE "^## ${version//./\\.}([^0-9.]|$)" "$root/CHANGELOG.md" ||
  refuse "CHANGELOG.md has no section $version"
if [ -e "$folder" ]; then
  [ "$force" = yes ] || refuse "$folder is there; --force replaces it"
  [ -f "$folder/SHA256SUMS" ] || refuse "$folder is no earlier release, so nothing replaces it"
fi

work=$(mktemp -d)
trap '/bin/rm -rf "$work"' EXIT
git clone --quiet "$root" "$work/narrow"
cd "$work/narrow"
if [ "$check" = yes ]; then ./check; fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC
# Neither the clone's path nor the time gets into what is compiled.
CXXFLAGS="-ffile-prefix-map=$PWD=." cmake --preset release -B build/publish \
  -DNARROW_BUILD_TESTS=OFF -DNARROW_UNITY_BUILD=ON >/dev/null
rm -rf dist
tools/build_wheel.sh build/publish
tools/test_wheel.sh
tools/build_deb.sh build/publish
tools/build_site.sh build/publish
python=$(tools/interop_environment.sh python | tail -n 1)
"$python" -m build --sdist --no-isolation --outdir dist .

tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  --mode=u=rwX,go=rX --transform="s,^site,narrow-$version-site," --directory=build site |
  gzip --no-name --best >"dist/narrow-$version-site.tar.gz"
"$python" -m zipfile --extract dist/narrow_quant-*.whl "$work/wheel"
cp "$work"/wheel/*.dist-info/sboms/auditwheel.cdx.json "dist/narrow-$version.cdx.json"
(cd dist && sha256sum -- * >"$work/SHA256SUMS")
mv "$work/SHA256SUMS" dist/
mkdir -p "$(dirname "$folder")"
rm -rf "$folder"
mv dist "$folder"
(cd "$folder" && sha256sum --check --quiet SHA256SUMS && cat SHA256SUMS)
