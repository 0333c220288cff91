// Codes for hardware and other programs: from a packed checkpoint to C headers, memory images and
// NumPy arrays. docs/formats.md, "Exports for hardware".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/export.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/run_options.h"
#include "narrow/selection.h"

namespace narrow {

enum class CodeFormat {
  kCHeader,  // one file: arrays for C99 and C++
  kMem,      // a file for each tensor: $readmemh of Verilog, with comments
  kHex,      // the same under the other usual name
  kCoe,      // memory initialization of Xilinx tools
  kMif,      // memory initialization of Intel tools
  kNpy,      // a NumPy array of the smallest integer type
};

// "c-header", "mem", "hex", "coe", "mif", "npy".
NARROW_EXPORT std::string_view to_string(CodeFormat format) noexcept;

// One tensor as it was exported.
struct ExportedCodes {
  std::string tensor;
  std::string identifier;      // its name in C and the name of its file
  std::filesystem::path file;  // the header, or its own
  std::uint64_t codes = 0;
  std::int64_t sum = 0;      // of all codes
  std::uint32_t crc32c = 0;  // of the packed codes, as in the packed file
};

// Where the manifest of an export is, JSON that says everything about its codes (docs/formats.md):
// manifest.json in the directory, or beside the file of kCHeader FILE.manifest.json.
NARROW_EXPORT std::filesystem::path export_manifest_path(CodeFormat format,
                                                         const std::filesystem::path& output);

// Exports the quantized tensors that `selection` leaves (all without patterns), but for those
// without elements. `output` is the file of kCHeader, else a directory that gets a file for each
// tensor. The result appears whole, with its manifest. One thread works. Progress is in bytes of
// tensor values of the original.
// Throws Error: kNotFound for a pattern that matches no quantized tensor, or when nothing is left;
// kUnsupported for a tensor that NumPy or C cannot hold; kCorrupt for a damaged file; kExists; kIo;
// kInterrupted.
NARROW_EXPORT std::vector<ExportedCodes> export_codes(const PackedCheckpoint& packed,
                                                      CodeFormat format, const Selection& selection,
                                                      const std::filesystem::path& output,
                                                      Overwrite overwrite,
                                                      const RunOptions& run = {});

}  // namespace narrow
