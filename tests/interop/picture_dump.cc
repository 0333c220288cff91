// What the library makes of picture files, as raw bytes, for comparison with Pillow. LIST has the
// path of a picture a line; OUT gets the results one after another.
//   picture_dump decode LIST OUT         pixels
//   picture_dump resize LIST OUT HEIGHT WIDTH INTERPOLATION
//                                        pixels of the whole picture resized
//   picture_dump preprocess LIST OUT NAME RESIZE_SIDE OUTPUT_SIZE RESIZE INTERPOLATION
//                                        float32, evaluation path; vgg with mean 127 and
//                                        deviation 128
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "data/images/image.h"
#include "data/images/pillow_resize.h"
#include "data/preprocess/preprocessing.h"
#include "narrow/error.h"

namespace {

using narrow::Image;
using narrow::OutputFile;

constexpr std::uint64_t kMaxPictureBytes = std::uint64_t{1} << 28;

Image read_picture(const std::string& path) {
  const std::string file = narrow::read_small_file(path, kMaxPictureBytes);
  return narrow::decode_image(narrow::as_byte_span(file), path, narrow::kPillowDecoding);
}

narrow::PreprocessingOptions options_of(const std::vector<std::string>& args) {
  narrow::PreprocessingOptions options;
  options.kind = narrow::preprocessing_for(args[3]);
  options.resize_side = std::atoi(args[4].c_str());
  options.output_size = std::atoi(args[5].c_str());
  options.resize = narrow::parse_resize_mode(args[6]);
  options.interpolation = narrow::parse_interpolation(args[7]);
  if (options.kind == narrow::PreprocessingKind::kVgg) {
    options.mean = {127, 127, 127};
    options.deviation = {128, 128, 128};
  }
  return options;
}

void write_result(const std::vector<std::string>& args, const Image& image, OutputFile& out) {
  if (args[0] == "decode") {
    out.write(std::as_bytes(std::span(image.pixels)));
  } else if (args[0] == "resize") {
    const int height = std::atoi(args[3].c_str());
    const int width = std::atoi(args[4].c_str());
    const Image resized = narrow::resize_like_pillow(
        image, height, width, narrow::parse_interpolation(args[5]), {0, 0, height, width});
    out.write(std::as_bytes(std::span(resized.pixels)));
  } else {
    const narrow::PreprocessingOptions options = options_of(args);
    std::vector<float> values(narrow::preprocessed_size(options));
    narrow::preprocess_for_evaluation(image, options, values);
    out.write(std::as_bytes(std::span(values)));
  }
}

std::size_t arguments_of(const std::string& mode) {
  if (mode == "decode") return 3;
  if (mode == "resize") return 6;
  return mode == "preprocess" ? 8 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.empty() || args.size() != arguments_of(args[0])) {
    std::fputs("usage: see the head of picture_dump.cc\n", stderr);
    return 2;
  }
  try {
    std::ifstream list(args[1]);
    OutputFile out(args[2]);
    for (std::string path; std::getline(list, path);) write_result(args, read_picture(path), out);
    out.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
