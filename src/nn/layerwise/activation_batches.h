// A value of all images on their way through a network, some images at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/temporary_file.h"
#include "nn/layerwise/activations.h"

namespace narrow {

// What values of all images take together in memory, and may take.
struct ActivationMemory {
  std::uint64_t most_bytes = 0;
  std::uint64_t taken = 0;
};

// Batches that would take more than the memory has lie in a temporary file. Throws Error(kIo) where
// that fails.
class ActivationBatches {
 public:
  // Of images that are together: 16 of 224 pixels.
  static constexpr std::size_t kBatchFloats = std::size_t{16} * 224 * 224 * 3;

  explicit ActivationBatches(std::shared_ptr<ActivationMemory> memory)
      : memory_(std::move(memory)) {}
  // `all` in batches of kBatchFloats, of one image at least.
  ActivationBatches(Activations all, std::shared_ptr<ActivationMemory> memory);
  ~ActivationBatches();
  ActivationBatches(const ActivationBatches&) = delete;
  ActivationBatches& operator=(const ActivationBatches&) = delete;

  // Behind those that are there, of the same size.
  void add(Activations batch);

  [[nodiscard]] std::size_t size() const { return batches_.size(); }
  [[nodiscard]] std::int64_t images(std::size_t batch) const { return batches_[batch].images; }
  [[nodiscard]] int height() const { return batches_.front().height; }
  [[nodiscard]] int width() const { return batches_.front().width; }
  [[nodiscard]] int channels() const { return batches_.front().channels; }
  // Read into `room` where it lies in the file; as long as both are there.
  [[nodiscard]] const Activations& at(std::size_t batch, Activations& room) const;
  // A copy of it.
  [[nodiscard]] Activations load(std::size_t batch) const;
  // The batch itself, which is not there any more.
  Activations take(std::size_t batch);
  [[nodiscard]] const std::shared_ptr<ActivationMemory>& memory() const { return memory_; }

 private:
  std::shared_ptr<ActivationMemory> memory_;
  std::vector<Activations> batches_;                  // without values where these are in the file
  std::vector<std::optional<std::uint64_t>> places_;  // in the file
  std::optional<TemporaryFile> file_;
  std::uint64_t file_bytes_ = 0;
};

}  // namespace narrow
