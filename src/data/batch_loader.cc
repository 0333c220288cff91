#include "data/batch_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/parallel.h"
#include "data/record_order.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMaxBatchSize = 1 << 20;
constexpr int kMaxThreads = 1024;

void check_range(const char* what, int value, int least, int most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("the {} is {}; it must lie in {}..{}", what, value, least, most));
}

}  // namespace

// Images are handed out one at a time, in order; each is written to its place in its batch. At most
// prefetch_batches batches are under way, each in a slot of its own.
class BatchLoader::Workers {
 public:
  Workers(const Dataset& dataset, const LoaderOptions& options);
  ~Workers() { stop(); }
  bool next(Batch& batch);
  [[nodiscard]] std::uint64_t batch_count() const { return options_.training ? 0 : batch_count_; }

 private:
  struct Slot {
    Batch batch;
    std::size_t missing = 0;  // images not written yet
    std::exception_ptr error;
    std::size_t error_position = 0;
  };
  struct Job {
    Slot* slot = nullptr;
    std::size_t position = 0;  // in the batch
    RecordOrder::Place place;
  };

  [[nodiscard]] std::size_t size_of_batch(std::uint64_t batch) const;
  void prepare(Slot& slot, std::size_t size) const;
  std::optional<Job> take_job();
  void finish(const Job& job, std::exception_ptr error);
  void load(const Job& job);
  void work();
  void stop();

  const Dataset& dataset_;
  const LoaderOptions options_;
  const std::size_t image_floats_;
  const std::uint64_t batch_size_;
  std::uint64_t image_count_ = 0;  // of an evaluation
  std::uint64_t batch_count_ = 0;  // of an evaluation, in all
  std::uint64_t end_batch_ = std::numeric_limits<std::uint64_t>::max();

  std::mutex mutex_;
  std::condition_variable job_may_exist_;
  std::condition_variable batch_may_be_ready_;
  // All below is guarded by mutex_; a slot's pixels by the one worker that has the job.
  RecordOrder order_;
  std::vector<Slot> slots_;
  std::uint64_t taken_batch_;        // the batch whose images are being handed out
  std::size_t taken_position_ = 0;   // images of it that were
  std::uint64_t delivered_batches_;  // all batches before this one are consumed
  std::exception_ptr failure_;
  bool stopping_ = false;

  std::vector<std::thread> threads_;
};

BatchLoader::Workers::Workers(const Dataset& dataset, const LoaderOptions& options)
    : dataset_(dataset),
      options_(options),
      image_floats_(preprocessed_size(options.preprocessing)),
      batch_size_(static_cast<std::uint64_t>(options.batch_size)),
      order_(dataset.size(), {options.training, options.shuffle, options.seed}),
      slots_(static_cast<std::size_t>(options.prefetch_batches)),
      taken_batch_(options.first_step),
      delivered_batches_(taken_batch_) {
  if (!options.training) {
    batch_count_ = (dataset.size() + batch_size_ - 1) / batch_size_;
    image_count_ = options.fill_last_batch ? batch_count_ * batch_size_ : dataset.size();
    end_batch_ = batch_count_;
    taken_batch_ = delivered_batches_ = std::min(options.first_step, batch_count_);
    if (options.batches > 0) end_batch_ = std::min(end_batch_, taken_batch_ + options.batches);
  }
  const int threads = options.threads > 0 ? options.threads : available_threads();
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

std::size_t BatchLoader::Workers::size_of_batch(std::uint64_t batch) const {
  if (options_.training) return batch_size_;
  return std::min(batch_size_, image_count_ - batch * batch_size_);
}

void BatchLoader::Workers::prepare(Slot& slot, std::size_t size) const {
  slot.batch.images.resize(size * image_floats_);
  slot.batch.labels.resize(size);
  slot.batch.records.resize(size);
  slot.missing = size;
  slot.error = nullptr;
}

std::optional<BatchLoader::Workers::Job> BatchLoader::Workers::take_job() {
  std::unique_lock lock(mutex_);
  job_may_exist_.wait(lock, [&] {
    return stopping_ || taken_batch_ == end_batch_ ||
           taken_batch_ - delivered_batches_ < slots_.size();
  });
  if (stopping_ || taken_batch_ == end_batch_) return std::nullopt;
  Slot& slot = slots_[taken_batch_ % slots_.size()];
  const std::size_t size = size_of_batch(taken_batch_);
  if (taken_position_ == 0) prepare(slot, size);
  const std::uint64_t batch =
      options_.training ? taken_batch_ * options_.stride + options_.offset : taken_batch_;
  const Job job{&slot, taken_position_, order_.at(batch * batch_size_ + taken_position_)};
  if (++taken_position_ == size) {
    taken_position_ = 0;
    ++taken_batch_;
  }
  return job;
}

void BatchLoader::Workers::load(const Job& job) {
  const LabeledImage labeled = dataset_.read(job.place.record);
  const auto out =
      std::span(job.slot->batch.images).subspan(job.position * image_floats_, image_floats_);
  if (options_.training) {
    RandomStream random(options_.seed,
                        fmt::format("data/augment/{}/{}", job.place.epoch, job.place.record));
    preprocess_for_training(labeled.image, options_.preprocessing, random, out);
  } else {
    preprocess_for_evaluation(labeled.image, options_.preprocessing, out);
  }
  job.slot->batch.labels[job.position] = labeled.label;
  job.slot->batch.records[job.position] = job.place.record;
}

void BatchLoader::Workers::finish(const Job& job, std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (error != nullptr && (job.slot->error == nullptr || job.position < job.slot->error_position)) {
    job.slot->error = std::move(error);
    job.slot->error_position = job.position;
  }
  if (--job.slot->missing == 0) batch_may_be_ready_.notify_one();
}

void BatchLoader::Workers::work() {
  try {
    while (const auto job = take_job()) {
      std::exception_ptr error;
      try {
        load(*job);
      } catch (...) {
        error = std::current_exception();
      }
      finish(*job, std::move(error));
    }
  } catch (...) {  // no memory for a batch
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    stopping_ = true;
    job_may_exist_.notify_all();
    batch_may_be_ready_.notify_one();
  }
}

bool BatchLoader::Workers::next(Batch& batch) {
  std::unique_lock lock(mutex_);
  if (delivered_batches_ == end_batch_) return false;
  Slot& slot = slots_[delivered_batches_ % slots_.size()];
  batch_may_be_ready_.wait(lock, [&] {
    return failure_ != nullptr || (taken_batch_ > delivered_batches_ && slot.missing == 0);
  });
  if (failure_ == nullptr) failure_ = slot.error;
  if (failure_ != nullptr) {
    stopping_ = true;
    job_may_exist_.notify_all();
    std::rethrow_exception(failure_);
  }
  std::swap(batch, slot.batch);
  ++delivered_batches_;
  job_may_exist_.notify_all();
  return true;
}

void BatchLoader::Workers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  job_may_exist_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

BatchLoader::BatchLoader(const Dataset& dataset, const LoaderOptions& options) {
  validate(options.preprocessing);
  check_range("batch size", options.batch_size, 1, kMaxBatchSize);
  check_range("number of threads", options.threads, 0, kMaxThreads);
  check_range("number of batches to prefetch", options.prefetch_batches, 1, kMaxThreads);
  if (dataset.size() == 0) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has no records; make it again", dataset.records().path().string()));
  }
  workers_ = std::make_unique<Workers>(dataset, options);
}

BatchLoader::~BatchLoader() = default;

bool BatchLoader::next(Batch& batch) { return workers_->next(batch); }

std::uint64_t BatchLoader::batch_count() const { return workers_->batch_count(); }

}  // namespace narrow
