#include "nn/inference/inference_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "graph/shapes.h"
#include "narrow/error.h"
#include "nn/inference/inference_program.h"

namespace narrow {
namespace {

constexpr int kLargestMicroBatch = 1024;

// Few images keep the activations near the core and memory small, more of them share the weights of
// the last layers and fill Winograd's tiles: beyond this number of pixels little is gained.
int choose_micro_batch(int height, int width) {
  constexpr std::int64_t kPixels = std::int64_t{8} * 224 * 224;
  constexpr std::int64_t kMost = 64;
  const std::int64_t images = kPixels / (static_cast<std::int64_t>(height) * width);
  return static_cast<int>(std::clamp(images, std::int64_t{1}, kMost));
}

void require_in_range(const char* what, int value, int least, int most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("The {} is {}, expected {} to {}.", what, value, least, most));
}

}  // namespace

struct InferenceNetwork::State {
  InferenceProgram program;
  int class_count = 0;
  std::size_t floats_per_image = 0;
  int micro_batch = 0;
  int threads = 0;

  std::mutex mutex;
  std::vector<std::unique_ptr<InferenceWorker>> idle;  // guarded by mutex

  // A worker for one thread while it lives; goes back to the idle ones.
  class Lease {
   public:
    explicit Lease(State& state) : state_(state) {
      const std::lock_guard lock(state.mutex);
      if (!state.idle.empty()) {
        worker_ = std::move(state.idle.back());
        state.idle.pop_back();
      }
    }
    ~Lease() {
      const std::lock_guard lock(state_.mutex);
      if (worker_) state_.idle.push_back(std::move(worker_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    InferenceWorker& get() {
      if (!worker_) worker_ = std::make_unique<InferenceWorker>(state_.program);
      return *worker_;
    }

   private:
    State& state_;
    std::unique_ptr<InferenceWorker> worker_;
  };

  void work(std::int64_t count, const FillImages& fill, const TakeLogits& take,
            std::atomic<std::int64_t>& next);
  void classify(InferenceWorker& worker, std::int64_t first, std::size_t images,
                const FillImages& fill, const TakeLogits& take) const;
};

void InferenceNetwork::State::classify(InferenceWorker& worker, std::int64_t first,
                                       std::size_t images, const FillImages& fill,
                                       const TakeLogits& take) const {
  const std::size_t used = images * floats_per_image;
  fill(first, {worker.images(), used});
  std::fill_n(worker.images() + used,
              static_cast<std::size_t>(micro_batch) * floats_per_image - used, 0.0F);
  {
    const OneDnnThreads single_threaded(1);
    worker.execute();
  }
  take(first, {worker.logits(), images * static_cast<std::size_t>(class_count)});
}

void InferenceNetwork::State::work(std::int64_t count, const FillImages& fill,
                                   const TakeLogits& take, std::atomic<std::int64_t>& next) {
  Lease lease(*this);
  try {
    while (true) {
      // Relaxed: it numbers the images, and puts no order between the workers.
      const std::int64_t first = next.fetch_add(micro_batch, std::memory_order_relaxed);
      if (first >= count) return;
      const auto images =
          static_cast<std::size_t>(std::min<std::int64_t>(micro_batch, count - first));
      classify(lease.get(), first, images, fill, take);
    }
  } catch (const dnnl::error& error) {
    next = count;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("oneDNN failed to run the network: {}.", error.what()));
  } catch (...) {
    next = count;
    throw;
  }
}

InferenceNetwork::InferenceNetwork(const Graph& graph, const WeightSource& source, int height,
                                   int width, const InferenceOptions& options)
    : state_(std::make_unique<State>()) {
  require_in_range("height of the images", height, 1, kLargestImageSide);
  require_in_range("width of the images", width, 1, kLargestImageSide);
  require_in_range("number of images in a micro-batch", options.micro_batch, 0, kLargestMicroBatch);
  require_in_range("number of threads", options.threads, 0, 1 << 16);
  check_weights(graph, source);
  const ShapeTable shapes = infer_shapes(graph, height, width);
  const auto floats_of = [&](ValueId id) {
    const Dimensions& shape = shapes[static_cast<std::size_t>(id)];
    std::int64_t count = 1;
    for (const Dimension& dimension : std::span(shape).subspan(1)) count *= dimension.size;
    return count;
  };
  state_->class_count = static_cast<int>(floats_of(graph.outputs.at(0)));
  state_->floats_per_image = static_cast<std::size_t>(floats_of(graph.inputs[0]));
  state_->threads = options.threads > 0 ? options.threads : available_threads();
  state_->micro_batch =
      options.micro_batch > 0 ? options.micro_batch : choose_micro_batch(height, width);
  try {
    const OneDnnThreads single_threaded(1);
    state_->program = compile_inference(graph, source, height, width, state_->micro_batch);
  } catch (const dnnl::error& error) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("oneDNN cannot build {} for images of {} x {} pixels: {}.", graph.name,
                            height, width, error.what()));
  }
}

InferenceNetwork::~InferenceNetwork() = default;
InferenceNetwork::InferenceNetwork(InferenceNetwork&& other) noexcept = default;
InferenceNetwork& InferenceNetwork::operator=(InferenceNetwork&& other) noexcept = default;

int InferenceNetwork::class_count() const { return state_->class_count; }
std::size_t InferenceNetwork::floats_per_image() const { return state_->floats_per_image; }
int InferenceNetwork::micro_batch() const { return state_->micro_batch; }
int InferenceNetwork::threads() const { return state_->threads; }
std::size_t InferenceNetwork::weight_bytes() const { return state_->program.weight_bytes; }
std::size_t InferenceNetwork::worker_bytes() const { return state_->program.plan.byte_size; }

void InferenceNetwork::run(std::span<const float> images, std::int64_t count,
                           std::span<float> logits) const {
  const std::size_t image = state_->floats_per_image;
  const auto classes = static_cast<std::size_t>(state_->class_count);
  if (count < 0 || images.size() / image != static_cast<std::size_t>(count) ||
      images.size() % image != 0 || logits.size() / classes != static_cast<std::size_t>(count) ||
      logits.size() % classes != 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} images need {} values each and {} logits each; found {} values and "
                            "room for {} logits.",
                            count, image, classes, images.size(), logits.size()));
  }
  run_each(
      count,
      [&](std::int64_t first, std::span<float> to) {
        const auto from = images.subspan(static_cast<std::size_t>(first) * image, to.size());
        std::copy(from.begin(), from.end(), to.begin());
      },
      [&](std::int64_t first, std::span<const float> from) {
        std::copy(from.begin(), from.end(),
                  logits.begin() +
                      static_cast<std::ptrdiff_t>(static_cast<std::size_t>(first) * classes));
      });
}

void InferenceNetwork::run_each(std::int64_t count, const FillImages& fill,
                                const TakeLogits& take) const {
  if (count < 0) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} images cannot be classified.", count));
  }
  const std::int64_t micro_batches = (count + state_->micro_batch - 1) / state_->micro_batch;
  const auto workers =
      static_cast<std::size_t>(std::min<std::int64_t>(state_->threads, micro_batches));
  std::atomic<std::int64_t> next = 0;
  parallel_for(workers, [&](std::size_t) { state_->work(count, fill, take, next); });
}

}  // namespace narrow
