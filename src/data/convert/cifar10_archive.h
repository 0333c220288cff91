// The six batches of CIFAR-10 out of either of its published archives.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/convert/cifar10_batch.h"
#include "data/convert/convert.h"

namespace narrow {

struct PublishedArchive {
  std::string_view file_name;
  std::string_view url;
  std::string_view md5;  // as printed on the publisher's page
};

const PublishedArchive& published_cifar10(Cifar10Archive kind);

// data_batch_1 to data_batch_5, test_batch.
using Cifar10Batches = std::array<CifarBatch, 6>;

// Reads a .tar.gz file in memory; its first member says which archive it is. Throws Error as
// read_archive_members and the parsers of cifar10_batch.h do.
Cifar10Batches read_cifar10_archive(const std::filesystem::path& archive, std::size_t rows);

}  // namespace narrow
