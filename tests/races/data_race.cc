// Programs with a race, one for each way in which this project runs threads: ThreadSanitizer must
// report them, or its silence about the rest says nothing.
//
//   data_race loop | pipeline-items | pipeline-stages | network-loop
//
// Exit status 77: one core alone runs one task after the other.
#include <atomic>
#include <cstdio>
#include <map>
#include <string>
#include <thread>

#include "base/parallel.h"
#include "nn/onednn_support.h"

namespace narrow {
namespace {

// Volatile, so that every write happens: of two in the very same moment it may miss one.
volatile int unguarded = 0;

// Returns when two tasks have called it, so that they run on two threads. Relaxed: it must not put
// an order between them.
void meet() {
  static std::atomic<int> arrived = 0;
  arrived.fetch_add(1, std::memory_order_relaxed);
  while (arrived.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
}

void write_together() {
  meet();
  for (int i = 0; i < 1000; ++i) unguarded = unguarded + 1;
}

void loop() {
  parallel_for(2, [](std::size_t) { write_together(); });
}

void network_loop() {
  const OneDnnThreads two(2);
  onednn_parallel_for(2, [](int) { write_together(); });
}

void pipeline_items() {
  int items[2] = {};
  int produced = 0;
  run_pipeline<int>(
      2, [&] { return produced < 2 ? &items[produced++] : nullptr; },
      [](int&) { write_together(); }, [](int&) {});
}

// The first item is consumed while the second is produced.
void pipeline_stages() {
  int items[2] = {};
  int produced = 0;
  run_pipeline<int>(
      2,
      [&]() -> int* {
        if (produced == 2) return nullptr;
        if (produced == 1) write_together();
        return &items[produced++];
      },
      [](int&) {},
      [&](int& item) {
        if (&item == &items[0]) write_together();
      });
}

}  // namespace
}  // namespace narrow

int main(int argc, char** argv) {
  const std::map<std::string, void (*)()> races = {
      {"loop", narrow::loop},
      {"network-loop", narrow::network_loop},
      {"pipeline-items", narrow::pipeline_items},
      {"pipeline-stages", narrow::pipeline_stages},
  };
  const auto race = races.find(argc == 2 ? argv[1] : "");
  if (race == races.end()) {
    std::fputs("usage: data_race loop | network-loop | pipeline-items | pipeline-stages\n", stderr);
    return 2;
  }
  if (narrow::available_threads() < 2) return 77;
  const narrow::ThreadLimit two(2);
  race->second();
}
