#!/usr/bin/env python3
"""narrow train as a user meets it: TF-Slim's command lines, interruptions, mistakes."""
import json
import re
import shutil
import signal
import subprocess
import time
import unittest

import numpy as np

from program_case import (NARROW, SOURCE, ProgramCase, read_safetensors,
                          write_safetensors)

GOLDEN = SOURCE / "tests/golden/evaluation"
LOG_LINE = re.compile(
    r"^global step (\d+): loss = (\d+\.\d{4}) \((\d+\.\d{3}) sec/step\)  accuracy (\S+)  "
    r"learning rate (\S+)  (\S+) images/s", re.M)


class TrainingCase(ProgramCase):
    """A thin network's checkpoint and 120 images of Fashion-MNIST, in the places of an example."""

    def setUp(self):
        super().setUp()
        (self.dir / "data").mkdir()
        shutil.copy(GOLDEN / "fashion_mnist_test.tfrecord",
                    self.dir / "data/fashion_mnist_train.tfrecord")
        shutil.copy(GOLDEN / "fashion_mnist_test.tfrecord", self.dir / "data")
        (self.dir / "small").mkdir()
        for name in ("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"):
            shutil.copy(GOLDEN / name, self.dir / "small")

    def flags(self, train_dir="train", **changes):
        values = {
            "train_dir": train_dir, "dataset_name": "fashion_mnist", "dataset_dir": "data",
            "checkpoint_path": "small/model.ckpt-7", "model_name": "resnet_v1_small",
            "train_image_size": 28, "augment": "cifar", "batch_size": 8,
            "max_number_of_steps": 4, "log_every_n_steps": 2, **changes}
        return ["train", *(f"--{name}={value}" for name, value in values.items()
                           if value is not None)]

    def checkpoints(self, train_dir="train"):
        return sorted((int(p.stem.rsplit("-", 1)[1])
                       for p in (self.dir / train_dir).glob("model.ckpt-*.index")))

    def result(self, step, train_dir="train"):
        prefix = self.dir / train_dir / f"model.ckpt-{step}"
        return [prefix.with_name(prefix.name + suffix).read_bytes()
                for suffix in (".index", ".data-00000-of-00001")]


class SlimCommandLines(TrainingCase):
    def test_training_from_scratch(self):
        text = self.narrow(
            "train",
            f"--train_dir={self.dir}/train_logs",
            "--dataset_name=fashion_mnist",
            "--dataset_split_name=train",
            "--dataset_dir=data",
            "--model_name=resnet_v1_50",
            # A step of 32 images at 224 pixels is too long for a test.
            "--max_number_of_steps=2", "--batch_size=2", "--train_image_size=32",
            "--log_every_n_steps=1")
        self.assertIn("resnet_v1_50 with 10 classes: 267 variables, 23581642 numbers", text)
        self.assertIn("trained: 161, 23528522", text)
        self.assertEqual([int(line[0]) for line in LOG_LINE.findall(text)], [1, 2])
        self.assertEqual(self.checkpoints("train_logs"), [0, 2])
        report = self.json("inspect", "train_logs")
        names = {tensor["name"] for tensor in report["tensors"]}
        self.assertEqual(len(names), 590)
        self.assertIn("resnet_v1_50/conv1/BatchNorm/beta/RMSProp_1", names)

    def test_fine_tuning(self):
        """scripts/finetune_resnet_v1_50_on_flowers.sh of TF-Slim."""
        line = [
            "train", "--train_dir=tuned", "--dataset_name=fashion_mnist",
            "--dataset_split_name=train", "--dataset_dir=data", "--model_name=resnet_v1_small",
            "--checkpoint_path=small/model.ckpt-7",
            "--checkpoint_exclude_scopes=resnet_v1_small/logits",
            "--trainable_scopes=resnet_v1_small/logits", "--max_number_of_steps=4",
            "--batch_size=32", "--learning_rate=0.01", "--save_interval_secs=60",
            "--save_summaries_secs=60", "--log_every_n_steps=2", "--optimizer=rmsprop",
            "--weight_decay=0.00004"]
        done = self.run_program(*line)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Fine-tuning from small/model.ckpt-7", done.stderr)
        self.assertEqual(len(LOG_LINE.findall(done.stdout)), 2)
        # Then all variables, from what that left.
        done = self.run_program(
            "train", "--train_dir=tuned/all", "--dataset_name=fashion_mnist",
            "--dataset_split_name=train", "--dataset_dir=data", "--model_name=resnet_v1_small",
            "--checkpoint_path=tuned", "--max_number_of_steps=2", "--batch_size=32",
            "--learning_rate=0.0001", "--save_interval_secs=60", "--save_summaries_secs=60",
            "--log_every_n_steps=1", "--optimizer=rmsprop", "--weight_decay=0.00004",
            "--clone_on_cpu=True", "--ignore_missing_vars")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Fine-tuning from tuned/model.ckpt-4", done.stderr)
        self.assertIn("--clone_on_cpu is ignored", done.stderr)

    def test_every_other_flag_of_slim(self):
        done = self.run_program(*self.flags(), *(
            "--master= --num_clones=1 --clone_on_cpu=True --worker_replicas=1 --num_ps_tasks=0 "
            "--num_readers=4 --num_preprocessing_threads=4 --task=0 --quantize_delay=-1 "
            "--sync_replicas=False --replicas_to_aggregate=1 --use_grayscale=False "
            "--adadelta_rho=0.95 --adagrad_initial_accumulator_value=0.1 --adam_beta1=0.9 "
            "--adam_beta2=0.999 --opt_epsilon=1.0 --ftrl_learning_rate_power=-0.5 "
            "--ftrl_initial_accumulator_value=0.1 --ftrl_l1=0 --ftrl_l2=0 --momentum=0.9 "
            "--rmsprop_momentum=0.9 --rmsprop_decay=0.9 --learning_rate_decay_type=polynomial "
            "--end_learning_rate=0.0001 --label_smoothing=0.1 --learning_rate_decay_factor=0.94 "
            "--num_epochs_per_decay=2 --moving_average_decay=0.99 --labels_offset=0 "
            "--preprocessing_name=vgg --ignore_missing_vars=False").split(),
            "--dataset-split-name", "train", "--save-interval-secs", "30")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(re.findall("^narrow: note: --", done.stderr, re.M)), 11, done.stderr)
        for flag, value in (("num_clones", 0), ("worker_replicas", 2), ("num_ps_tasks", 1),
                            ("task", 1), ("quantize_delay", 0), ("sync_replicas", True),
                            ("use_grayscale", True)):
            self.assertIn(flag, self.error(*self.flags("x", **{flag: value})))
        self.assertIn("mpirun -n 4 narrow train --num_clones 4",
                      self.error(*self.flags("x", worker_replicas=4)))


class Runs(TrainingCase):
    def test_json_alone_on_standard_output(self):
        report = self.json(*self.flags(log_every_n_steps=1))
        self.assertEqual([line["global_step"] for line in report["log"]], [1, 2, 3, 4])
        self.assertEqual(report["plan"]["record_count"], 120)
        self.assertEqual(report["checkpoint"], "train/model.ckpt-4")
        self.assertEqual(len(list((self.dir / "train").glob("events.out.tfevents.*"))), 1)

    def test_summary_does_nothing(self):
        self.assertIn("trained: ", self.narrow(*self.flags(), "--summary"))
        self.assertEqual(self.json(*self.flags(), "--summary")["first_step"], 0)
        self.assertFalse((self.dir / "train").exists())

    def test_five_checkpoints_stay(self):
        self.narrow(*self.flags(save_interval_steps=1, max_number_of_steps=8))
        self.assertEqual(self.checkpoints(), [4, 5, 6, 7, 8])
        state = (self.dir / "train/checkpoint").read_text()
        self.assertEqual(re.findall(r'^all_model_checkpoint_paths: "model.ckpt-(\d)"$', state, re.M),
                         list("45678"))

    def test_a_finished_training(self):
        self.narrow(*self.flags())
        before = self.result(4)
        self.assertIn("nothing to do: train/model.ckpt-4 is at step 4 already",
                      self.narrow(*self.flags()))
        self.assertEqual(self.result(4), before)
        done = self.run_program(*self.flags(max_number_of_steps=6))
        self.assertIn("Ignoring checkpoint_path because a checkpoint already exists in train",
                      done.stderr)
        self.assertEqual(self.checkpoints(), [0, 4, 6])

    def interrupted(self, send, steps):
        """Starts a training and interrupts it once it has written a checkpoint after the first."""
        process = subprocess.Popen(
            [str(NARROW), *self.flags("parts", **steps)], cwd=self.dir, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until = time.monotonic() + 120
        while max(self.checkpoints("parts"), default=0) < 20 and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(send)
        _, messages = process.communicate(timeout=120)
        self.assertLess(max(self.checkpoints("parts")), steps["max_number_of_steps"])
        return process.returncode, messages

    def test_killed_and_continued(self):
        steps = {"max_number_of_steps": 200, "save_interval_steps": 20,
                 "moving_average_decay": 0.9}
        self.narrow(*self.flags("whole", **steps))
        status, _ = self.interrupted(signal.SIGKILL, steps)
        self.assertEqual(status, -signal.SIGKILL)
        self.narrow(*self.flags("parts", **steps))
        self.assertEqual(self.result(200, "parts"), self.result(200, "whole"))
        self.assertFalse([p for p in self.dir.iterdir() if p.name.startswith(".")])

    def test_stopped_by_a_signal(self):
        steps = {"max_number_of_steps": 200, "save_interval_steps": 20}
        self.narrow(*self.flags("whole", **steps))
        status, messages = self.interrupted(signal.SIGINT, steps)
        self.assertEqual(status, 130)
        step = int(re.search(r"interrupted at step (\d+); parts/model.ckpt-\1 is saved",
                             messages)[1])
        self.assertIn(step, self.checkpoints("parts"))
        self.narrow(*self.flags("parts", **steps))
        self.assertEqual(self.result(200, "parts"), self.result(200, "whole"))

    def test_the_last_layer_alone_takes_no_time(self):
        start = time.monotonic()
        report = self.json(*self.flags(
            augment="none", resize_side=28, batch_norm="frozen", max_number_of_steps=1500,
            trainable_scopes="resnet_v1_small/logits", log_every_n_steps=15,
            checkpoint_exclude_scopes="resnet_v1_small/logits"))
        self.assertTrue(report["plan"]["features_cached"])
        self.assertLess(time.monotonic() - start, 60)
        losses = [line["loss"] for line in report["log"]]
        self.assertLess(sum(losses[-10:]), 0.7 * sum(losses[:10]))

    def test_quantized_and_recalibrated(self):
        self.narrow(*self.flags(quantize="bin:4", recalibrate_batch_norm=5, batch_norm_decay=0.9))
        self.narrow("eval", "train", "--dataset_name=fashion_mnist", "--dataset_dir=data",
                    "--resize_side=28", "--eval_image_size=28")


    def test_activations_are_trained_and_exported(self):
        text = self.narrow(*self.flags(
            quantize="symmetric:6", quantize_activations="5", activation_rule="images: 8",
            max_number_of_steps=2, optimizer="momentum", batch_norm_decay=0.5))
        self.assertIn("trained: ", text)
        self.narrow("convert", "train", "--to=onnx", "--eval_image_size=28", "-o", "float.onnx")
        integers = ("quantize", "float.onnx", "--scheme=symmetric", "--bits=6", "--to=qdq",
                    "--activation-steps=train", "-o")
        report = self.json(*integers, "integers.onnx")
        rows = report["activations"]["values"]
        self.assertEqual({row["bits"] for row in rows if row["value"] == "images"}, {8})
        self.assertEqual({row["bits"] for row in rows if row["value"] != "images"}, {5})
        self.assertIn("scales of a training", self.narrow(*integers, "again.onnx"))
        text = self.narrow("eval", "integers.onnx", "--dataset_name=fashion_mnist",
                           "--dataset_dir=data", "--preprocessing_name=vgg", "--resize_side=28",
                           "--eval_image_size=28")
        self.assertIn("eval/Accuracy", text)
        self.assertIn("says all of activations; --activations does not",
                      self.error(*integers, "other.onnx", "--activations=8"))
        other = self.run_program(*self.flags(quantize_activations="5", max_number_of_steps=3,
                                             optimizer="momentum"))
        self.assertEqual(other.returncode, 2)
        self.assertIn("had other quantized activations", other.stderr)
        self.assertIn("activation_step", self.narrow("inspect", "train"))
        copied = self.json("quantize", "train", "--dry-run", "--scheme=bin", "--bits=4")
        self.assertFalse(any("activation_step" in tensor["name"] and tensor["quantized"]
                             for tensor in copied["tensors"]))


class Mistakes(TrainingCase):
    def test_are_explained(self):
        for name in ("train_dir", "dataset_name", "dataset_dir"):
            self.assertIn(f"--{name}", self.error(*self.flags(**{name: None})))
        unfit = self.error(*self.flags(labels_offset=1))
        self.assertIn("resnet_v1_small/logits/biases is float32 [10] there and float32 [9] here",
                      unfit)
        self.assertIn("checkpoint_exclude_scopes=resnet_v1_small/logits", unfit)
        self.assertIn("resnet_v1_50",
                      self.error(*self.flags(model_name="vgg_15", checkpoint_path=None)))
        self.assertIn("Optimizer [lamb] was not recognized",
                      self.error(*self.flags(optimizer="lamb")))
        self.assertIn("learning_rate_decay_type [linear] was not recognized",
                      self.error(*self.flags(learning_rate_decay_type="linear")))
        self.assertIn("their scales are learned",
                      self.error(*self.flags(quantize_activations="5",
                                             activation_rule="images: 8 mse")))
        self.error(*self.flags(max_number_of_steps=0))
        done = self.run_program(*self.flags(trainable_scopes="logits"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("'logits' of trainable_scopes matches no variable", done.stderr)
        self.error(*self.flags(checkpoint_exclude_scopes="resnet_v1_small/logits,"))
        for scheme in ("bin", "bin:", "bin:33", "bins:3", "bin:3x", ":"):
            self.error(*self.flags(quantize=scheme))
        self.error(*self.flags(augment="cutout"))
        self.error(*self.flags(checkpoint_path="nowhere"))
        self.error(*self.flags(dataset_split_name="validation"))
        self.assertFalse((self.dir / "train").exists())

    def test_another_optimizer_cannot_continue(self):
        self.narrow(*self.flags(checkpoint_path="small/model.ckpt-7"))
        done = self.run_program(*self.flags(checkpoint_path=None, optimizer="adam",
                                            max_number_of_steps=6))
        self.assertEqual(done.returncode, 2)
        self.assertIn("conv1/weights/Adam", done.stderr)

    def test_a_loss_that_is_no_number(self):
        done = self.run_program(*self.flags(
            optimizer="sgd", learning_rate=1e25, save_interval_steps=1, max_number_of_steps=100))
        self.assertEqual(done.returncode, 2, done.stderr)
        sentence = done.stderr.splitlines()[-1]
        step = re.search(r"is not a finite number at step \d+; the last good checkpoint is "
                         r"train/model.ckpt-(\d+)", sentence)[1]
        report = json.loads(self.narrow("inspect", f"train/model.ckpt-{step}", "--stats", "--json"))
        self.assertEqual(sum(t["statistics"]["non_finite"] for t in report["tensors"]), 0)
        # Before the first checkpoint.
        self.narrow("quantize", "small/model.ckpt-7", "--scheme", "bin", "--bits", "32",
                    "--format", "safetensors", "-o", "bad.safetensors")
        tensors = read_safetensors(self.dir / "bad.safetensors")
        name = "resnet_v1_small/conv1/weights"
        tensors[name] = np.full_like(tensors[name], np.nan)
        write_safetensors(self.dir / "bad.safetensors", tensors)
        done = self.run_program(*self.flags("other", checkpoint_path="bad.safetensors"))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("no checkpoint has been written yet", done.stderr)
        self.assertIn("whether the values that it begins with are finite", done.stderr)


if __name__ == "__main__":
    unittest.main()
