// Where training runs. Internal to this folder.
#pragma once

#include <fmt/format.h>

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/onednn_support.h"
#include "nn/training/training_network.h"

namespace narrow {

inline int threads_of(const TrainingOptions& options) {
  return options.threads > 0 ? options.threads : available_threads();
}

// Runs what uses oneDNN, on so many threads; its failures become sentences.
template <typename Body>
auto on_threads(int threads, const char* doing, const Body& body) {
  try {
    const OneDnnThreads limit(threads);
    return body();
  } catch (const dnnl::error& error) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("oneDNN failed to {} the network: {}.", doing, error.what()));
  }
}

}  // namespace narrow
