#!/usr/bin/env python3
"""Pictures in class folders and in CSV tables, and the numbers of their preprocessing."""
import shutil
import unittest

from records_program_test import CLASSES, RecordsCase, example, find_jpegs, write_records

SIZES = ("--eval_image_size=28", "--resize_side=28")
CHECKPOINT = "model.ckpt-7"


class Images(RecordsCase):
    """Twelve JPEG files of ten classes: as records, in class folders, in tables."""

    def setUp(self):
        super().setUp()
        jpegs = find_jpegs()
        labels = sorted([*range(10), 3, 7])
        records, rows = [], []
        for i, label in enumerate(labels):
            jpeg = jpegs[i % len(jpegs)]
            path = self.dir / "pictures" / CLASSES[label] / f"{i:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg)
            records.append(example(jpeg, label, CLASSES[label]))
            rows.append((f"{CLASSES[label]}/{i:02d}.jpg", label))
        self.rows = rows
        write_records(self.dir / "cifar10_test.tfrecord", records)
        self.table("numbers.csv", rows)
        self.table("names.csv", [(file, CLASSES[label]) for file, label in rows])

    def table(self, name, rows, header="file,label"):
        text = header + "\n" + "".join(f"{file},{label}\n" for file, label in rows)
        (self.dir / "pictures" / name).write_text(text)
        return f"pictures/{name}"

    def predictions(self, *arguments):
        self.narrow("eval", CHECKPOINT, *arguments, "--predictions", "p.csv", "--force")
        return (self.dir / "p.csv").read_text()

    def test_pictures_are_seen_as_records_are(self):
        dataset = ("--dataset_name=cifar10", "--dataset_dir=.")
        for dct in ("fast", "accurate"):
            records = self.predictions(*dataset, *SIZES, f"--jpeg_dct={dct}")
            for source in ("pictures", "pictures/", "pictures/numbers.csv", "pictures/names.csv"):
                self.assertEqual(self.predictions("--images", source, *SIZES, f"--jpeg-dct={dct}"),
                                 records, (dct, source))
        # Each source has its own.
        self.assertEqual(self.predictions("--images=pictures", *SIZES), records)
        fast = self.predictions(*dataset, *SIZES)
        self.assertEqual(self.predictions(*dataset, *SIZES, "--jpeg_dct=fast"), fast)
        self.assertNotEqual(fast, records)

    def test_report_says_what_was_seen(self):
        report = self.json("eval", CHECKPOINT, "--images=pictures", *SIZES)
        self.assertEqual(report["dataset"]["classes"], CLASSES)
        self.assertEqual((report["dataset"]["name"], report["dataset"]["split"]),
                         ("pictures", "pictures"))
        self.assertEqual((report["images"], report["dataset"]["records"]), (12, 12))
        self.assertNotIn("changes", report["preprocessing"])
        numbers = ("--mean=127,127,127", "--std=128,128,128", "--channel_order=bgr")
        report = self.json("eval", CHECKPOINT, "--images=pictures/numbers.csv", *SIZES, *numbers,
                           "--preprocessing_name=vgg", "--jpeg_dct=fast")
        self.assertEqual(report["dataset"]["name"], "numbers.csv")
        self.assertEqual(report["preprocessing"]["changes"],
                         "mean 127,127,127, std 128,128,128, bgr, fast DCT")
        text = self.narrow("eval", CHECKPOINT, "--images=pictures", "--preprocessing_name=imagenet",
                           "--eval_image_size=28", "--crop_pct=0.875", "--interpolation=bicubic")
        self.assertIn("imagenet preprocessing to 28 x 28 of side 32 (bicubic)", text)
        text = self.narrow("eval", CHECKPOINT, "--images=pictures", "--resize=letterbox", *SIZES)
        self.assertIn("vgg preprocessing to 28 x 28 (letterbox)", text)

    def test_slims_numbers_are_the_default(self):
        usual = self.predictions("--images=pictures", *SIZES)
        self.assertEqual(self.predictions("--images=pictures", *SIZES, "--std=1,1,1",
                                          "--mean=123.68,116.78,103.94"), usual)
        self.assertNotEqual(self.predictions("--images=pictures", *SIZES, "--std=1,1,2"), usual)

    def test_numbers_leave_room_for_classes(self):
        few = self.table("few.csv", self.rows[:3])
        report = self.json("eval", CHECKPOINT, "--images", few, *SIZES)
        self.assertEqual(report["dataset"]["classes"], [str(i) for i in range(10)])
        shifted = self.table("shifted.csv", [(file, label + 1) for file, label in self.rows])
        report = self.json("eval", CHECKPOINT, "--images", shifted, "--labels_offset=1", *SIZES)
        self.assertEqual(report["dataset"]["classes"], [str(i) for i in range(1, 11)])
        self.assertEqual(self.predictions("--images", shifted, "--labels_offset=1", *SIZES),
                         self.predictions("--images=pictures", *SIZES))
        self.error("eval", CHECKPOINT, "--images", shifted, *SIZES)
        names = self.table("two.csv", [(file, CLASSES[label]) for file, label in self.rows[:2]])
        self.error("eval", CHECKPOINT, "--images", names, *SIZES)

    def test_every_command_takes_pictures(self):
        images = ("--images=pictures/numbers.csv", *SIZES)
        sweep = self.json("sweep", CHECKPOINT, "--bits=8", *images, "--resize=stretch", "-o", "sweep")
        self.assertEqual(sweep["evaluation"]["dataset"], "numbers.csv")
        self.assertEqual(sweep["evaluation"]["changes"], "stretch")
        again = self.narrow("sweep", CHECKPOINT, "--bits=8", *images, "--resize=stretch", "-o",
                            "sweep", "--force")
        self.assertIn("came from the journal", again)
        other = self.narrow("sweep", CHECKPOINT, "--bits=8", *images, "-o", "other")
        self.assertNotIn("came from the journal", other)
        self.narrow("plan", CHECKPOINT, "--average-bits=5", "--damage=fisher", *images,
                    "--batch_size=4", "--batches=2")
        self.narrow("quantize", CHECKPOINT, "--scheme=bin", "--bits=4", "--round=gptq", *images,
                    "--calibration_images=4", "-o", "q/")
        report = self.json("calibrate", CHECKPOINT, *images, "-o", "c/")
        self.assertEqual((report["images"], report["dataset_name"]), (12, "numbers.csv"))

    def test_images_of_calibrate_may_be_a_number(self):
        dataset = ("--dataset_name=cifar10", "--dataset_dir=.", "--dataset_split_name=test")
        for arguments in ((*dataset, "--images", 4), (*dataset, "--calibration_images", 4),
                          ("--images=pictures", "--calibration_images", 4)):
            report = self.json("calibrate", CHECKPOINT, *arguments, *SIZES, "-o", "c/", "--force")
            self.assertEqual(report["images"], 4, arguments)
        self.error("calibrate", CHECKPOINT, "--images=pictures", "--images", 4, "-o", "d/")
        self.assertIn("Value 1 not in range",
                      self.error("calibrate", CHECKPOINT, *dataset, "--images", 1, "-o", "d/"))

    def test_what_is_wrong_is_named(self):
        def refused(*arguments):
            return self.error("eval", CHECKPOINT, *SIZES, *arguments)

        self.assertIn("from both", refused("--images=pictures", "--dataset_name=cifar10",
                                           "--dataset_dir=."))
        self.assertIn("--images", refused())
        self.assertIn("nowhere", refused("--images=nowhere"))
        missing = self.table("missing.csv", [*self.rows, ("../gone.jpg", 1)])
        self.assertIn(f"line 14 of {missing} names", refused("--images", missing))
        self.assertIn("names no column 'label'",
                      refused("--images", self.table("header.csv", self.rows, "file,class")))
        (self.dir / "pictures/truck/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
        self.assertIn("pictures/truck/broken.jpg", refused("--images=pictures"))
        shutil.rmtree(self.dir / "pictures/truck")
        self.error("eval", CHECKPOINT, "--images=pictures", *SIZES)  # one class less
        (self.dir / "pictures/ship/deep").mkdir()
        self.assertIn("is a folder within the class ship", refused("--images=pictures"))
        table = "--images=pictures/few.csv"
        self.table("few.csv", self.rows[:2])
        self.assertIn("--mean=1,2 is not three numbers", refused(table, "--mean=1,2"))
        self.assertIn("must be above 0", refused(table, "--std=1,0,1"))
        self.assertIn("bicubic", refused(table, "--interpolation=bicubic"))
        self.assertIn("Crop size greater", self.error("eval", CHECKPOINT, table,
                                                      "--eval_image_size=28", "--resize_side=2"))


if __name__ == "__main__":
    unittest.main()
