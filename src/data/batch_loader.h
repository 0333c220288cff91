// Batches for a network, decoded and preprocessed on worker threads ahead of it. What a batch holds
// depends on the options only, never on the number of threads or on timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/preprocess/preprocessing.h"

namespace narrow {

struct LoaderOptions {
  PreprocessingOptions preprocessing = {};
  // Training: endless full batches; every epoch is a permutation of the records drawn from the seed
  // and the epoch's number, batches reach across epochs, and the random preprocessing of an image
  // is drawn from seed, epoch and record. Otherwise: one pass in file order, each image exactly
  // once.
  bool training = false;
  bool shuffle = true;  // Training: false takes the records of every epoch in file order.
  int batch_size = 32;
  std::uint64_t seed = 0;
  // Batches that are left out at the start: in training, those that an earlier run with these
  // options has consumed.
  std::uint64_t first_step = 0;
  // Evaluation: at most so many batches from there on. 0: all.
  std::uint64_t batches = 0;
  // Training: of every `stride` batches number `offset`, which is below it. Numbers of batches
  // count those alone.
  std::uint64_t stride = 1;
  std::uint64_t offset = 0;
  // Evaluation: fill a last batch that is not full with images from the start of the file, which
  // are then seen twice, as TF-Slim's evaluation does.
  bool fill_last_batch = false;
  int threads = 0;  // worker threads; 0: one for each available core
  int prefetch_batches = 3;
};

struct Batch {
  std::vector<float> images;           // size() x height x width x 3
  std::vector<std::int32_t> labels;    // size()
  std::vector<std::uint64_t> records;  // size(); the record each image came from
  [[nodiscard]] std::size_t size() const { return labels.size(); }
};

// Used from one thread. Destroying it stops the workers, whatever they are doing.
class BatchLoader {
 public:
  // Throws Error(kUsage) for options that contradict themselves, Error(kCorrupt) for a dataset
  // without records. The dataset must outlive the loader.
  BatchLoader(const Dataset& dataset, const LoaderOptions& options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // Puts the next batch into `batch`, whose memory is used again; false at the end. Throws what
  // reading or preprocessing the first bad image of the batch threw, then and ever after; batches
  // before it are delivered.
  bool next(Batch& batch);

  // Evaluation: batches in all, with those that are left out. Training: 0, there is no end.
  [[nodiscard]] std::uint64_t batch_count() const;

 private:
  class Workers;
  std::unique_ptr<Workers> workers_;
};

}  // namespace narrow
