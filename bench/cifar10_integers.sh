#!/usr/bin/env bash
# A ResNet V1 on CIFAR-10 in integers, without and with training for it: the table of
# docs/results.md.
#   bench/cifar10_integers.sh NARROW DATA_DIR FLOAT OUT_DIR [EPOCHS [THREADS [RATE [NETWORK]]]]
# DATA_DIR has what `narrow download cifar10` wrote, FLOAT is the directory of a trained ResNet V1
# for images of 32 pixels; without one NETWORK (resnet_v1_50 say; by default a thin one,
# thin_resnet_v1.py) is trained there, for 10 epochs. Calibrated on 250 training images, measured on
# all test images; trained for EPOCHS (6) of 782 steps from FLOAT's weights with the learning RATE
# (0.02); 0 THREADS are all cores. Integer files of FLOAT that OUT_DIR has are not made again; other
# EPOCHS or another RATE need another OUT_DIR.
set -euo pipefail
narrow=$1 data=$2 float=$3 out=$4 epochs=${5:-6} threads=${6:-0} rate=${7:-0.02}
network=${8:-thin}
images=(--dataset_name cifar10 --dataset_dir "$data" --preprocessing_name vgg --resize_side 32
  --eval_image_size 32)
mkdir -p "$out"

# train DIR CHECKPOINT EPOCHS RATE FLAG...: in batches of 64, the learning rate to 0 along a cosine.
train() {
  "$narrow" train --train_dir="$1" --checkpoint_path="$2" --dataset_name=cifar10 \
    --dataset_dir="$data" --preprocessing_name=vgg --train_image_size=32 --resize_side=32 \
    --augment=cifar --batch_size=64 --max_number_of_steps=$(($3 * 782)) --optimizer=momentum \
    --learning_rate="$4" --learning_rate_decay_type=cosine --num_epochs_per_decay="$3" \
    --end_learning_rate=0 --weight_decay=0.0001 --batch_norm_decay=0.99 --log_every_n_steps=391 \
    --seed=1 --threads="$threads" "${@:5}"
}

# integers NAME OPTION...: FLOAT's network as OUT_DIR/NAME.onnx.
integers() {
  [[ -e $out/$1.onnx ]] || "$narrow" quantize "$out/float.onnx" "${@:2}" "${images[@]}" \
    --dataset_split_name train --calibration_images 250 --to qdq --threads "$threads" \
    -o "$out/$1.onnx"
}

# trained NAME WEIGHTS ACTIVATIONS: the same after training.
trained() {
  train "$out/$1" "$float" "$epochs" "$rate" --recalibrate_batch_norm=100 \
    --quantize="symmetric:$2:channel" --quantize_activations="$3" --activation_rule='images: 8'
  "$narrow" convert "$out/$1" --to onnx --eval_image_size 32 -o "$out/$1-float.onnx" --force
  "$narrow" quantize "$out/$1-float.onnx" --scheme symmetric --granularity channel --bits "$2" \
    --activation-steps "$out/$1" --to qdq -o "$out/$1.onnx" --force
}

if [[ ! -e $float ]]; then
  if [[ $network == thin ]]; then
    "$(dirname "$0")/thin_resnet_v1.py" "$out/initial.npz"
    "$narrow" convert "$out/initial.npz" --format tf -o "$out/initial.ckpt" --force
  else
    "$narrow" init "$network" --classes 10 -o "$out/initial.ckpt" --force
  fi
  train "$float" "$out/initial.ckpt" 10 0.05 --warmup_steps=200
fi
[[ -e $out/float.onnx ]] ||
  "$narrow" convert "$float" --to onnx --eval_image_size 32 -o "$out/float.onnx"
channel=(--scheme symmetric --granularity channel --activation-range mse)
integers w8a8 "${channel[@]}" --bits 8 --activations 8
integers w4a8 "${channel[@]}" --bits 4 --activations 8 --round gptq
images8=(--activation-rule 'images: 8 mse')
integers w4a4-nearest "${channel[@]}" --bits 4 --activations 4 "${images8[@]}"
integers w4a4 "${channel[@]}" --bits 4 --activations 4 "${images8[@]}" --round gptq
integers w4a4-best --best --bits 4 --activations 4
integers w4a4-uniform --best --uniform --bits 4 --activations 4
integers fixed8 --scheme fixed-point --bits 8 --granularity channel --activations 8:fixed-point
trained w4a4-trained 4 4

"$narrow" eval "$out"/{float,w8a8,w4a8,w4a4-nearest,w4a4,w4a4-best,w4a4-uniform,fixed8,w4a4-trained}.onnx "${images[@]}" \
  --dataset_split_name test --threads "$threads"
