// A network that is quantized with methods on images of noise, for the tests of this layer.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "narrow/calibrate_network.h"
#include "narrow/quantize_network.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {

class QuantizeTest : public TemporaryDirectoryTest {
 protected:
  // Of images of this height and width.
  explicit QuantizeTest(int size) {
    write_noise_dataset(directory(), 60);
    images_.source = noise_source(directory(), size);
    images_.source.preprocessing_name = "vgg";
    images_.count = 40;
  }

  static Scheme scheme(int bits, Granularity::Kind granularity = Granularity::Kind::kChannel) {
    Scheme scheme;
    scheme.kind = SchemeKind::kSymmetric;
    scheme.bits = bits;
    scheme.granularity.kind = granularity;
    scheme.range.kind = Range::Kind::kMse;
    return scheme;
  }
  [[nodiscard]] NetworkMethods methods(Rounding rounding, bool bias_correct) const {
    NetworkMethods methods;
    methods.image_size = images_.source.image_size;
    methods.rounding = rounding;
    methods.bias_correct = bias_correct;
    methods.images = images_;
    return methods;
  }
  // What `reader_` has, as an ONNX file.
  NetworkResult quantize(const QuantizePlan& plan, const NetworkMethods& methods,
                         const std::string& name = "out.onnx", int threads = 0) {
    const auto writer = create_checkpoint_like(
        *reader_, {CheckpointFormat::kOnnx, directory() / name}, Overwrite::kYes);
    NullWriter scales;
    NetworkResult result =
        quantize_network(*reader_, plan, methods, {}, *writer, scales, {.threads = threads});
    writer->finish();
    return result;
  }
  NetworkResult quantize(const Scheme& scheme, const NetworkMethods& methods,
                         const std::string& name = "out.onnx", int threads = 0) {
    return quantize(make_plan(*reader_, scheme, {}), methods, name, threads);
  }
  std::vector<float> values(const std::string& file, const std::string& name) {
    const auto reader = open_checkpoint(directory() / file);
    const std::size_t index = *reader->find(name);
    std::vector<float> found(element_count(reader->tensors()[index].shape));
    reader->read(index, std::as_writable_bytes(std::span(found)));
    return found;
  }

  CalibrationImages images_;
  std::unique_ptr<CheckpointReader> reader_;  // of an ONNX file
};

}  // namespace narrow
