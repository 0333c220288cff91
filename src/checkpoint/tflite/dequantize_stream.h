// The values of a tensor for which a TFLite model has integer codes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/tflite/tflite_model.h"
#include "narrow/checkpoint.h"

namespace narrow {

// float32: scale * (code - zero), computed in float64 and rounded once, as TFLite's DEQUANTIZE
// does; without scales the codes as int8 or uint8. Of codes with less than 8 bits the first one
// lies in the lowest bits of a byte.
class DequantizeStream final : public TensorStream {
 public:
  // `file` and `tensor`, which has codes, must outlive this. Holds the scales.
  DequantizeStream(const InputFile& file, const TfliteTensor& tensor);

  void read(std::span<std::byte> out) override;

 private:
  void decode_piece();
  std::size_t decode_run(std::size_t begin);
  void read_codes(std::size_t count);

  const InputFile& file_;
  const TfliteTensor& tensor_;
  std::vector<double> scales_;
  std::vector<double> zeros_;  // as many
  std::uint64_t left_;         // bytes that read() may give
  std::uint64_t element_ = 0;  // the next one to be decoded
  std::uint64_t elements_;
  std::vector<std::byte> bytes_;     // of a piece of codes
  std::vector<std::int64_t> codes_;  // in them
  std::vector<std::byte> values_;    // decoded
  std::size_t given_ = 0;            // bytes of them
};

}  // namespace narrow
