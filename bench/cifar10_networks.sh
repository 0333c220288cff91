#!/usr/bin/env bash
# mobilenet_v1_025 and cifarnet trained on CIFAR-10, then both methods at 2 to 8 bits, per tensor and
# per channel: the tables of docs/results.md.
#   bench/cifar10_networks.sh NARROW DATA_DIR OUT_DIR
# DATA_DIR has what `narrow download cifar10` wrote. An interrupted run continues.
set -euo pipefail
narrow=$1 data=$2 out=$3
dataset=(--dataset_name=cifar10 --dataset_dir="$data")

# train NAME FLAG...: 20 epochs in batches of 64, the learning rate to 0 along a cosine.
train() {
  "$narrow" train --train_dir="$out/$1" "${dataset[@]}" --model_name="$1" --train_image_size=32 \
    --resize_side=32 --augment=cifar --batch_size=64 --max_number_of_steps=15640 \
    --optimizer=momentum --learning_rate_decay_type=cosine --num_epochs_per_decay=20 \
    --end_learning_rate=0 --warmup_steps=200 --log_every_n_steps=391 "${@:2}"
}

# sweep NAME PREPROCESSING
sweep() {
  "$narrow" sweep "$out/$1" "${dataset[@]}" --bits 2..8 --schemes bin,fixed-point \
    --granularity tensor,channel --preprocessing_name="$2" --eval_image_size=32 --resize_side=32 \
    -o "$out/$1-sweep" --export-markdown "$out/$1.md" --force
}

mkdir -p "$out"
train mobilenet_v1_025 --preprocessing_name=vgg --learning_rate=0.1 --batch_norm_decay=0.99 \
  --weight_decay=0.0001
sweep mobilenet_v1_025 vgg
train cifarnet --learning_rate=0.01 --weight_decay=0.004
sweep cifarnet cifarnet
