#!/usr/bin/env bash
# Renders docs/ with a search, the APIs of C++ and Python and a gallery of reports into build/site. A
# link to what is not there is an error.
#   tools/build_site.sh [BUILD_DIR]    default build/release, of which the program makes the gallery
set -euo pipefail
cd "$(dirname "$0")/.."
narrow=$(realpath "${1:-build/release}")/narrow
python=$(tools/interop_environment.sh site | tail -n 1)
golden=$PWD/tests/golden/evaluation
gallery=$PWD/build/site_gallery
rm -rf "$gallery" build/site
mkdir -p "$gallery" build/site_work

# report NAME COMMAND...: the page that the command makes, without the speed of this machine, and the
# command.
report() {
  local name=$1
  shift
  (cd build/site_work && "$narrow" "$@" --force --export-html "$name.html" >/dev/null)
  sed 's|<dt>images/s</dt><dd>[^<]*</dd>||' "build/site_work/$name.html" >"$gallery/$name.html"
  echo "narrow $*" >"$gallery/$name.txt"
}

cp "$golden"/model.ckpt-7.* build/site_work/
cp "$golden/fashion_mnist_test.tfrecord" build/site_work/
images=(--dataset_name=fashion_mnist --dataset_dir=. --eval_image_size=28 --resize_side=28)
report sweep_of_errors_and_accuracy sweep model.ckpt-7 --bits 2..8 "${images[@]}"
report quantized_tensors quantize model.ckpt-7 --scheme symmetric --bits 4 -o model4
report evaluation eval model.ckpt-7 model4 "${images[@]}"
report budget plan model.ckpt-7 --average-bits 5
report network inspect model.ckpt-7 --graph --eval_image_size=28

"$python" -m mkdocs build --quiet --strict --config-file tools/site/mkdocs.yml
rm build/site/404.html  # of a server; its links are absolute
echo "build/site/index.html"
