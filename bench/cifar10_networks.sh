#!/usr/bin/env bash
# mobilenet_v1_025 and cifarnet trained on CIFAR-10, then both methods at 2 to 8 bits, per tensor and
# per channel: the tables of docs/results.md.
#   bench/cifar10_networks.sh NARROW DATA_DIR OUT_DIR [NETWORK [EPOCHS [THREADS]]]
# DATA_DIR has what `narrow download cifar10` wrote. Both networks without NETWORK; without EPOCHS 60
# of mobilenet_v1_025 and 20 of cifarnet, of 782 steps each, about half an hour with one thread; 0
# THREADS are all cores. An interrupted run continues.
set -euo pipefail
narrow=$1 data=$2 out=$3 network=${4:-} epochs=${5:-} threads=${6:-0}
dataset=(--dataset_name=cifar10 --dataset_dir="$data")

# train NAME EPOCHS FLAG...: in batches of 64, the learning rate to 0 along a cosine.
train() {
  "$narrow" train --train_dir="$out/$1" "${dataset[@]}" --model_name="$1" --train_image_size=32 \
    --resize_side=32 --augment=cifar --batch_size=64 --max_number_of_steps=$(($2 * 782)) \
    --optimizer=momentum --learning_rate_decay_type=cosine --num_epochs_per_decay="$2" \
    --end_learning_rate=0 --warmup_steps=200 --log_every_n_steps=391 --threads="$threads" "${@:3}"
}

# sweep NAME PREPROCESSING
sweep() {
  "$narrow" sweep "$out/$1" "${dataset[@]}" --bits 2..8 --schemes bin,fixed-point \
    --granularity tensor,channel --preprocessing_name="$2" --eval_image_size=32 --resize_side=32 \
    --threads="$threads" -o "$out/$1-sweep" --export-markdown "$out/$1.md" --force
}

mkdir -p "$out"
if [[ $network != cifarnet ]]; then
  train mobilenet_v1_025 "${epochs:-60}" --preprocessing_name=vgg --learning_rate=0.1 \
    --batch_norm_decay=0.99 --weight_decay=0.0001
  sweep mobilenet_v1_025 vgg
fi
if [[ $network != mobilenet_v1_025 ]]; then
  train cifarnet "${epochs:-20}" --learning_rate=0.01 --weight_decay=0.004
  sweep cifarnet cifarnet
fi
