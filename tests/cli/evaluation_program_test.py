#!/usr/bin/env python3
"""download, dataset inspect and eval. What eval counts is compared with what TensorFlow and tf_slim
counted (tests/golden/evaluation)."""
import csv
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import re
import shutil
import struct
import tarfile
import threading
import unittest

import numpy as np

from program_case import SOURCE, ProgramCase

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
GOLDEN = SOURCE / "tests/golden/evaluation"
LOSS_TOLERANCE = 1e-4
AS_IT_IS = ["--resize_side", 28, "--eval_image_size", 28]


def write_first_images(directory, count):
    """The first images of Debian's Fashion-MNIST under the names of the whole."""
    directory.mkdir()
    for prefix in ("train", "t10k"):
        for kind, header, size in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            name = f"{prefix}-{kind}-ubyte.gz"
            raw = gzip.open(FASHION / name).read(header + count * size)
            blob = raw[:4] + struct.pack(">I", count) + raw[8:]
            (directory / name).write_bytes(gzip.compress(blob))


class Download(ProgramCase):
    def test_fashion_mnist_is_converted_once(self):
        write_first_images(self.dir / "idx", 30)
        arguments = ["--dataset_dir", "data", "--url", "idx"]
        made = self.json("download", "fashion_mnist", *arguments)
        self.assertEqual([f["records"] for f in made["files"]], [30, 30, 0])
        before = (self.dir / "data/fashion_mnist_test.tfrecord").stat().st_mtime_ns
        text = self.narrow("download", "--dataset_name=fashion_mnist", "--dataset-dir=data",
                           "--url=idx")
        self.assertIn("everything was there already", text)
        self.assertEqual((self.dir / "data/fashion_mnist_test.tfrecord").stat().st_mtime_ns, before)
        splits = self.json("dataset", "inspect", "data")["splits"]
        labels = gzip.open(FASHION / "t10k-labels-idx1-ubyte.gz").read(38)[8:]
        found = next(s for s in splits if s["path"].endswith("test.tfrecord"))
        self.assertEqual([c["images"] for c in found["classes"]],
                         np.bincount(list(labels), minlength=10).tolist())
        self.assertEqual((found["height"], found["records"]), ([28, 28], 30))

    def test_a_damaged_file_is_named_and_made_anew(self):
        write_first_images(self.dir / "idx", 5)
        self.narrow("download", "fashion_mnist", "--dataset_dir", "data", "--url", "idx")
        records = self.dir / "data/fashion_mnist_test.tfrecord"
        blob = bytearray(records.read_bytes())
        blob[100] ^= 1
        records.write_bytes(blob)
        message = self.error("dataset", "inspect", records)
        self.assertIn("record 0 at byte 0 of", message)
        done = self.run_program("download", "fashion_mnist", "--dataset_dir", "data", "--url",
                                "idx")
        self.assertIn("the dataset is made anew", done.stderr)
        self.narrow("dataset", "inspect", records)

    def test_contact_sheet(self):
        write_first_images(self.dir / "idx", 5)
        self.narrow("download", "fashion_mnist", "--dataset_dir", "data", "--url", "idx")
        sheet = ["dataset", "inspect", "data", "--contact-sheet", "s.png", "--per-class", 3]
        self.assertIn("s.png", self.narrow(*sheet))
        self.assertEqual((self.dir / "s.png").read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.error(*sheet)
        self.narrow(*sheet, "--force")

    def test_arguments_that_are_missing_or_wrong(self):
        self.assertIn("--dataset_name", self.error("download", "--dataset_dir", "d"))
        self.assertIn("--dataset_dir", self.error("download", "cifar10"))
        self.assertIn("[flowers] was not recognized",
                      self.error("download", "flowers", "--dataset_dir", "d"))
        self.error("download", "cifar10", "--dataset_name", "cifar10", "--dataset_dir", "d")
        self.error("download", "cifar10", "--dataset_dir", "d", "--url", "missing.tar.gz")
        self.error("download", "cifar10", "--dataset_dir", "d", "--sha256", "12")
        self.assertIn("did you mean --dataset_dir", self.error("download", "x", "--dataset_di=d"))
        self.error("dataset")
        self.error("dataset", "inspect", "nowhere")
        self.assertEqual([f for f in self.tree() if f.endswith(".tfrecord")], [])


class Server(http.server.BaseHTTPRequestHandler):
    files = {}

    def do_GET(self):
        body = self.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def tar_gz(members):
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w:gz", compresslevel=1) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return blob.getvalue()


class DownloadOverHttp(ProgramCase):
    def setUp(self):
        super().setUp()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def test_checkpoint(self):
        checkpoint = (GOLDEN / "model.ckpt-7.index").read_bytes()
        archive = tar_gz({"resnet_v1_50.ckpt": checkpoint})
        Server.files["/a.tar.gz"] = archive
        arguments = ["download", "resnet_v1_50", "--dataset_dir", "ckpt", "--url",
                     self.url + "/a.tar.gz"]
        self.assertIn("checksum", self.error(*arguments, "--sha256", "0" * 64))
        self.assertEqual(self.tree(), [])
        digest = hashlib.sha256(archive).hexdigest()
        self.assertIn(digest, self.narrow(*arguments, "--sha256", digest))
        self.assertEqual((self.dir / "ckpt/resnet_v1_50.ckpt").read_bytes(), checkpoint)
        self.error(*arguments)
        self.assertIn("404", self.error("download", "resnet_v1_101", "--dataset_dir", "d", "--url",
                                        self.url + "/none"))

    def test_cifar10(self):
        rows = np.zeros((10000, 3073), np.uint8)
        rows[:, 0] = np.arange(10000) % 10
        rows[:, 1:] = rows[:, :1] * 20
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
        archive = tar_gz({f"cifar-10-batches-bin/{n}": rows.tobytes() for n in names})
        Server.files["/c.tar.gz"] = archive
        arguments = ["download", "--dataset_name=cifar10", "--dataset_dir=c",
                     f"--url={self.url}/c.tar.gz"]
        self.narrow(*arguments)
        self.assertEqual(self.tree(), ["c/cifar10_test.tfrecord", "c/cifar10_train.tfrecord",
                                       "c/labels.txt"])
        self.assertEqual((self.dir / "c/labels.txt").stat().st_size, 80)
        splits = self.json("dataset", "inspect", "c")["splits"]
        self.assertEqual([s["records"] for s in splits], [50000, 10000])
        self.assertEqual([c["images"] for c in splits[1]["classes"]], [1000] * 10)
        del Server.files["/c.tar.gz"]
        self.assertIn("everything was there already", self.narrow(*arguments))
        (self.dir / "cut.tar.gz").write_bytes(archive[:len(archive) // 2])
        self.error("download", "cifar10", "--dataset_dir", "e", "--url", "cut.tar.gz")


class Eval(ProgramCase):
    def setUp(self):
        super().setUp()
        shutil.copytree(GOLDEN, self.dir, dirs_exist_ok=True)
        self.data = ["--dataset_name", "fashion_mnist", "--dataset_dir", "."]

    def test_counts_what_tf_slim_counts(self):
        for case in json.loads((GOLDEN / "expected.json").read_text()):
            flags = [f"--{name}={case[name]}" for name in (
                "batch_size", "max_num_batches", "eval_image_size", "resize_side")]
            if case["moving_average_decay"]:
                flags.append(f"--moving_average_decay={case['moving_average_decay']}")
            report = self.json("eval", "model.ckpt-7", *self.data, "--slim_batches", *flags)
            images = case["batch_size"] * case["max_num_batches"]
            found = report["checkpoints"][0]
            self.assertEqual(report["images"], images)
            for name, rate in (("accuracy", found["accuracy"]), ("recall_5", found["recall_at_5"])):
                self.assertEqual(np.float32(rate["hits"]) / np.float32(images),
                                 np.float32(case[name]), (case, found))
            self.assertAlmostEqual(found["loss"] / case["loss"], 1, delta=LOSS_TOLERANCE)

    def test_text_has_slims_lines_and_says_what_was_counted(self):
        text = self.narrow("eval", "--checkpoint_path=.", *self.data, *AS_IT_IS,
                           "--model-name=resnet_v1_small", "--batch-size", 50)
        self.assertIn("120 of 120 images", text)
        self.assertRegex(text, r"accuracy  0\.\d{4}  \(\d+ of 120, 95 % Wilson interval")
        value = float(re.search(r"^eval/Accuracy\[([^]]*)\]$", text, re.M)[1])
        hits = int(re.search(r"\((\d+) of 120", text)[1])
        self.assertEqual(np.float32(value), np.float32(hits) / np.float32(120))
        self.assertRegex(text, r"(?m)^eval/Recall_5\[[^]]*\]$")
        wrapped = self.narrow("eval", ".", *self.data, *AS_IT_IS, "--batch_size=50",
                              "--slim_batches")
        self.assertIn("the last 30 are images from the start of the file, counted again", wrapped)

    def test_threads_do_not_matter(self):
        for threads in (1, 3):
            self.narrow("eval", "model.ckpt-7", *self.data, *AS_IT_IS, "--threads", threads,
                        "--predictions", f"{threads}.csv")
        self.assertEqual((self.dir / "1.csv").read_bytes(), (self.dir / "3.csv").read_bytes())

    def test_several_checkpoints_are_compared_by_image(self):
        self.narrow("quantize", "model.ckpt-7", "--scheme", "bin", "--bits", 2, "-o", "coarse/")
        report = self.json("eval", "model.ckpt-7", "coarse", *self.data, *AS_IT_IS,
                           "--predictions", "p.csv", "--eval_dir", "events", "--confusion")
        rows = list(csv.DictReader((self.dir / "p.csv").read_text().splitlines()))
        self.assertEqual(len(rows), 240)
        right = [[r["label"] == r["class_1"] for r in rows[i:i + 120]] for i in (0, 120)]
        comparison = report["comparisons"][0]
        self.assertEqual(comparison["only_first_correct"],
                         sum(a and not b for a, b in zip(*right)))
        self.assertEqual(comparison["only_other_correct"],
                         sum(b and not a for a, b in zip(*right)))
        self.assertGreater(comparison["only_first_correct"], 0)
        for checkpoint, correct in zip(report["checkpoints"], right):
            self.assertEqual(checkpoint["accuracy"]["hits"], sum(correct))
            self.assertEqual(np.trace(checkpoint["confusion"]), sum(correct))
            low, high = checkpoint["accuracy"]["wilson_95"]
            self.assertTrue(low < checkpoint["accuracy"]["value"] < high)
        self.assertEqual(len(list((self.dir / "events").glob("*/events.out.tfevents.*"))), 2)
        self.error("eval", "model.ckpt-7", *self.data, *AS_IT_IS, "--predictions", "p.csv")

    def test_flags_of_tensorflow_are_accepted_with_a_note(self):
        done = self.run_program("eval", ".", *self.data, *AS_IT_IS, "--master=",
                                "--num_preprocessing_threads=4", "--quantize=False",
                                "--use_grayscale=false")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(re.findall("^narrow: note: --", done.stderr, re.M)), 4, done.stderr)
        self.error("eval", ".", *self.data, *AS_IT_IS, "--quantize=True")

    def test_mistakes_are_explained(self):
        self.assertIn("--checkpoint_path", self.error("eval", *self.data))
        self.assertIn("--dataset_dir", self.error("eval", ".", "--dataset_name", "cifar10"))
        self.assertIn("--dataset_name", self.error("eval", ".", "--dataset_dir", "."))
        (self.dir / "empty").mkdir()
        self.error("eval", "empty", *self.data)
        self.assertIn("resnet_v1_50/conv1/weights",
                      self.error("eval", ".", *self.data, "--model_name=resnet_v1_50"))
        self.assertIn("they are for 10 classes, expected 9",
                      self.error("eval", ".", *self.data, "--labels_offset=1"))
        self.assertIn("inception_v9",
                      self.error("eval", ".", *self.data, "--preprocessing_name=inception_v9"))
        self.assertIn("224", self.error("eval", ".", *self.data, "--resize_side=28"))
        self.error("eval", ".", *self.data, "--dataset_split_name=validation")
        self.error("eval", ".", *self.data, "--batch_size=0")


if __name__ == "__main__":
    unittest.main()
