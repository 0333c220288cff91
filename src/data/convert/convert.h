// Converters from what publishers offer to the TFRecord files of TF-Slim: same names, keys, values
// and order as Slim's download_and_convert_data.py; PNG bytes and key order are this library's own
// and the same on every run.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/download/download.h"

namespace narrow {

// Progress in images is of those written to a file; false stops with Error(kInterrupted).
class ConvertObserver : public TransferObserver {
 public:
  // The writing of this file begins.
  virtual void on_file(const std::string& /*name*/) {}
};

struct ConvertedSplit {
  std::string name;
  std::filesystem::path path;
  std::uint64_t records = 0;
  std::uint64_t size_bytes = 0;
};

struct ConvertResult {
  bool was_complete = false;  // everything was there and whole, nothing was done
  std::vector<ConvertedSplit> splits;
  std::filesystem::path labels;
  // Of the CIFAR-10 archive that was read; empty when nothing was, and for Fashion-MNIST.
  FileDigests archive_digests;
  bool is_published_archive = false;  // the digest is the one the publisher prints
};

enum class Cifar10Archive { kPython, kBinary };

struct Cifar10Options {
  // Empty: the published archive. Otherwise the address of a mirror or the path of a local file;
  // its content says which of the two archives it is.
  std::string source = {};
  // Which one to fetch when `source` is empty.
  Cifar10Archive published = Cifar10Archive::kPython;
  // Checksum of the archive; the publisher's own when `source` is empty.
  std::optional<Digest> expected = {};
  bool keep_archive = false;  // a downloaded one is removed after use otherwise
  bool redo = false;          // convert also when everything is there and whole
  // Images in each of the six batches: 10000 in the published archives, fewer in tests.
  std::uint32_t rows_per_batch = 10000;
  int attempts = 4;
  std::chrono::milliseconds first_wait = std::chrono::milliseconds(1000);
};

// Writes cifar10_train.tfrecord, cifar10_test.tfrecord and labels.txt into `directory`. Nothing
// appears under these names before all are complete. When both record files are there, have valid
// checksums and the right number of records, nothing is done (unlike Slim, which looks at the names
// only). Memory: the 180 MB of pixels.
// Throws Error: what download and read_archive_members throw; kCorrupt naming archive, member and
// offset for a batch that is not as published; kInterrupted.
ConvertResult convert_cifar10(const std::filesystem::path& directory, const Cifar10Options& options,
                              ConvertObserver& observer);

struct FashionMnistOptions {
  // The four gzipped or plain IDX files, under the publisher's names: train-images-idx3-ubyte.gz...
  std::filesystem::path source = "/usr/share/datasets/fashion-mnist";
  bool redo = false;
};

// Writes fashion_mnist_train.tfrecord, fashion_mnist_test.tfrecord and labels.txt: 28 x 28 pixels,
// the grey value in all three channels, file order. Otherwise as convert_cifar10.
// Throws Error(kNotFound) naming the Debian package when the files are missing.
ConvertResult convert_fashion_mnist(const std::filesystem::path& directory,
                                    const FashionMnistOptions& options, ConvertObserver& observer);

}  // namespace narrow
