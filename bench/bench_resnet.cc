// Speed and logits of the inference network: one contender of bench/peers/resnet_inference.py and
// the program under test of tests/interop/resnet_logits.py.
//
//   bench_resnet NETWORK CLASSES VARIABLES IMAGES HEIGHT WIDTH BATCH THREADS
//
// NETWORK: one of the four names, or a variant: NAME,ROOT_DEPTH,BASE/UNITS/STRIDE[,BASE/...]
// VARIABLES: every variable of the network as float32, in the order of Graph::weights.
// IMAGES: float32, any number of HEIGHT x WIDTH x 3.
// THREADS: 0 for all cores.
//
// For each line on standard input it classifies all images in calls of BATCH images and answers
// with the seconds that took; the line "logits FILE" also writes their logits as float32.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "graph/slim/resnet_v1.h"
#include "graph/weights.h"
#include "nn/inference/inference_network.h"
#include "read_values.h"

namespace narrow {
namespace {

Graph parse_network(const std::string& text, int class_count) {
  if (text.find(',') == std::string::npos) return resnet_v1(text, class_count);
  std::istringstream parts(text);
  ResnetV1Shape shape;
  char separator = 0;
  std::getline(parts, shape.name, ',');
  parts >> shape.root_channels;
  for (ResnetV1Block block; parts >> separator >> block.base_channels >> separator >>
                            block.unit_count >> separator >> block.last_stride;) {
    shape.blocks.push_back(block);
  }
  shape.class_count = class_count;
  return make_resnet_v1(shape);
}

// Seconds for all images.
double classify(const InferenceNetwork& network, std::span<const float> images, std::size_t batch,
                std::span<float> logits) {
  const std::size_t image = network.floats_per_image();
  const auto classes = static_cast<std::size_t>(network.class_count());
  const std::size_t count = images.size() / image;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t first = 0; first < count; first += batch) {
    const std::size_t now = std::min(batch, count - first);
    network.run(images.subspan(first * image, now * image), static_cast<std::int64_t>(now),
                logits.subspan(first * classes, now * classes));
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int serve(const std::vector<std::string>& arguments) {
  const Graph graph = parse_network(arguments[0], std::stoi(arguments[1]));
  const Weights weights(graph, read_values<float>(arguments[2]));
  const std::vector<float> images = read_values<float>(arguments[3]);
  const InferenceNetwork network(graph, weights, std::stoi(arguments[4]), std::stoi(arguments[5]),
                                 {.threads = std::stoi(arguments[7])});
  std::vector<float> logits(images.size() / network.floats_per_image() *
                            static_cast<std::size_t>(network.class_count()));
  std::cout << "ready micro_batch " << network.micro_batch() << " weight_bytes "
            << network.weight_bytes() << " worker_bytes " << network.worker_bytes() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const double seconds = classify(network, images, std::stoul(arguments[6]), logits);
    if (line.starts_with("logits ")) {
      std::ofstream(line.substr(7), std::ios::binary)
          .write(reinterpret_cast<const char*>(logits.data()),
                 static_cast<std::streamsize>(logits.size() * sizeof(float)));
    }
    std::cout << seconds << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace narrow

int main(int argc, char** argv) {
  if (argc != 9) {
    std::cerr << "usage: " << argv[0]
              << " NETWORK CLASSES VARIABLES IMAGES HEIGHT WIDTH BATCH THREADS\n";
    return 2;
  }
  try {
    return narrow::serve({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
