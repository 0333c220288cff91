// What the library makes of data files, as raw bytes, for comparison with TensorFlow:
//   data_dump copy-examples IN OUT       every record parsed as tf.Example and written again
//   data_dump copy-records IN OUT        every record as it is
//   data_dump decode IN OUT              pixels of every image record, one after another
//   data_dump preprocess IN OUT KIND RESIZE_SIDE OUTPUT_SIZE
//                                        float32 of every image record, evaluation path
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "data/images/image.h"
#include "data/preprocess/preprocessing.h"
#include "data/records/example.h"
#include "data/records/tfrecord.h"
#include "narrow/error.h"

namespace {

using narrow::OutputFile;
using narrow::TfRecordFile;

template <typename Action>
void for_each_record(const TfRecordFile& records, Action&& action) {
  std::vector<std::byte> record;
  for (std::size_t i = 0; i < records.size(); ++i) {
    records.read(i, record);
    action(record, records.describe(i));
  }
}

narrow::Image image_of(std::span<const std::byte> record, const std::string& place) {
  const auto example = narrow::parse_image_example(record, place);
  return narrow::decode_image(narrow::as_byte_span(example.encoded), place);
}

void run(std::string_view mode, const TfRecordFile& in, OutputFile& out,
         const narrow::PreprocessingOptions& options) {
  narrow::TfRecordWriter writer(out);
  std::vector<float> values(mode == "preprocess" ? narrow::preprocessed_size(options) : 0);
  for_each_record(in, [&](std::span<const std::byte> record, const std::string& place) {
    if (mode == "copy-records") {
      writer.write(record);
    } else if (mode == "copy-examples") {
      writer.write(
          narrow::as_byte_span(narrow::serialize_example(narrow::parse_example(record, place))));
    } else if (mode == "decode") {
      const narrow::Image image = image_of(record, place);
      out.write(std::as_bytes(std::span(image.pixels)));
    } else {
      narrow::preprocess_for_evaluation(image_of(record, place), options, values);
      out.write(std::as_bytes(std::span(values)));
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const bool preprocess = !args.empty() && args[0] == "preprocess";
  if (args.size() != (preprocess ? 6U : 3U)) {
    std::fputs("usage: see the head of data_dump.cc\n", stderr);
    return 2;
  }
  try {
    narrow::PreprocessingOptions options;
    if (preprocess) {
      options.kind = narrow::preprocessing_for(args[3]);
      options.resize_side = std::atoi(args[4].c_str());
      options.output_size = std::atoi(args[5].c_str());
    }
    const TfRecordFile in(args[1]);
    OutputFile out(args[2]);
    run(args[0], in, out, options);
    out.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
