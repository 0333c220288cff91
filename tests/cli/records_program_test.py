#!/usr/bin/env python3
"""Splits in shards, and labels that begin at 1."""
import shutil
import struct
import unittest

from program_case import SOURCE, ProgramCase

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
GOLDEN = SOURCE / "tests/golden/evaluation"


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = crc32c_table()


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def write_records(path, records):
    """TFRecord framing, from its public description."""
    with open(path, "wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + struct.pack("<I", masked_crc(length)) + record +
                       struct.pack("<I", masked_crc(record)))


def read_records(path, count):
    blob, at, records = path.read_bytes(), 0, []
    while at < len(blob) and len(records) < count:
        size, = struct.unpack_from("<Q", blob, at)
        records.append(blob[at + 12:at + 12 + size])
        at += 16 + size
    return records


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(key, kind, value):
    """kind 1: a list of bytes, 3: of integers."""
    values = field(1, value if kind == 1 else varint(value))
    return field(1, field(1, key.encode()) + field(2, field(kind, values)))


def example(encoded, label, name):
    """A record as TF-Slim's build_image_data.py writes it."""
    return field(1, feature("image/encoded", 1, encoded) + feature("image/format", 1, b"JPEG") +
                 feature("image/height", 3, 32) + feature("image/width", 3, 32) +
                 feature("image/class/text", 1, name.encode()) +
                 feature("image/class/label", 3, label))


def find_jpegs():
    """JPEG files among the golden records."""
    blob, files, at = (SOURCE / "tests/golden/data/decode.tfrecord").read_bytes(), [], 0
    while (at := blob.find(b"\xff\xd8\xff\xe0", at)) >= 0:
        end = blob.index(b"\xff\xd9", at) + 2
        files.append(blob[at:end])
        at = end
    return files


class RecordsCase(ProgramCase):
    """A thin network of ten classes."""

    def setUp(self):
        super().setUp()
        for name in ("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"):
            shutil.copy(GOLDEN / name, self.dir)


class Shards(RecordsCase):
    EVAL = ("--dataset_name=cifar10", "--dataset_dir=records", "--dataset_split_name=validation",
            "--eval_image_size=28", "--resize_side=28")

    def setUp(self):
        super().setUp()
        self.records = self.dir / "records"
        self.records.mkdir()
        jpegs = find_jpegs()
        self.assertGreater(len(jpegs), 1)
        for shard in range(2):
            labels = range(1 + 5 * shard, 6 + 5 * shard)
            write_records(self.records / f"validation-{shard:05d}-of-00002",
                          [example(jpegs[label % len(jpegs)], label, CLASSES[label - 1])
                           for label in labels])
        self.write_labels(1)

    def write_labels(self, first):
        (self.records / "labels.txt").write_text(
            "".join(f"{first + i}:{name}\n" for i, name in enumerate(CLASSES)))

    def test_an_evaluation_of_all_shards(self):
        found = self.json("eval", "model.ckpt-7", *self.EVAL, "--labels_offset=1",
                          "--predictions", "p.csv")
        self.assertEqual(found["images"], 10)
        rows = [line.split(",") for line in (self.dir / "p.csv").read_text().splitlines()]
        column = rows[0].index("label")
        self.assertEqual([int(row[column]) for row in rows[1:]], list(range(10)))

    def test_the_offset_is_named(self):
        for command in (("eval", "model.ckpt-7"), ("sweep", "model.ckpt-7", "--bits", "8")):
            error = self.error(*command, *self.EVAL)
            self.assertIn("the labels 1..10", error)
            self.assertIn("labels_offset=1", error)
        # Nothing says so before a label beyond the classes is met.
        (self.records / "labels.txt").unlink()
        error = self.error("eval", "model.ckpt-7", *self.EVAL)
        self.assertIn("record 4 at byte", error)
        self.assertIn("validation-00001-of-00002 has the label 10", error)
        self.assertIn("labels_offset=1", error)

    def test_a_missing_shard_is_named(self):
        (self.records / "validation-00001-of-00002").unlink()
        for command in (("eval", "model.ckpt-7", *self.EVAL, "--labels_offset=1"),
                        ("dataset", "inspect", "records", "--dataset_name=cifar10")):
            self.assertIn("validation-00001-of-00002 is missing", self.error(*command))

    def test_inspect(self):
        split, = self.json("dataset", "inspect", "records", "--dataset_name=cifar10")["splits"]
        self.assertEqual((split["files"], split["records"]), (2, 10))
        self.assertEqual((split["first_label"], split["labels"]), (1, [1, 10]))
        self.assertEqual([c["name"] for c in split["classes"]], CLASSES)
        text = self.narrow("dataset", "inspect", "records", "--dataset_name=cifar10")
        self.assertIn("validation-*-of-00002: cifar10, 10 records in 2 files", text)
        self.assertIn("labels_offset=1", text)
        self.assertRegex(text, r"\n +10 +truck +1\n")
        self.assertIn("dataset_name does", self.error("dataset", "inspect", "records"))

    def test_training_reads_them(self):
        flags = ("train", "--train_dir=train", "--dataset_name=cifar10", "--dataset_dir=records",
                 "--dataset_split_name=validation", "--model_name=resnet_v1_small",
                 "--train_image_size=28", "--batch_size=2",
                 "--checkpoint_path=model.ckpt-7", "--max_number_of_steps=1")
        self.assertIn("labels_offset=1", self.error(*flags))
        self.narrow(*flags, "--labels_offset=1")

    def test_images_for_calibration_need_no_labels(self):
        self.narrow("calibrate", "model.ckpt-7", "--dataset_name=cifar10", "--dataset_dir=records",
                    "--dataset_split_name=validation", "--eval_image_size=28", "--resize_side=28",
                    "-o", "calibrated/")


class OneFileOrShards(RecordsCase):
    def test_are_the_same_to_an_evaluation(self):
        shutil.copy(GOLDEN / "fashion_mnist_test.tfrecord", self.dir)
        records = read_records(self.dir / "fashion_mnist_test.tfrecord", 1 << 20)
        shards = self.dir / "shards"
        shards.mkdir()
        for shard, part in enumerate((records[:7], [], records[7:])):
            write_records(shards / f"fashion_mnist_test_{shard:05d}-of-00003.tfrecord", part)
        loss, accuracy = set(), set()
        for folder in (".", "shards"):
            found = self.json("eval", "model.ckpt-7", "--dataset_name=fashion_mnist",
                              f"--dataset_dir={folder}", "--eval_image_size=28",
                              "--resize_side=28")
            self.assertEqual(found["images"], len(records))
            loss.add(found["checkpoints"][0]["loss"])
            accuracy.add(found["checkpoints"][0]["accuracy"]["value"])
        self.assertEqual((len(loss), len(accuracy)), (1, 1))


if __name__ == "__main__":
    unittest.main()
