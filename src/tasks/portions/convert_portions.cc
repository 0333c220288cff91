#include <fmt/format.h>

#include <numeric>
#include <span>
#include <utility>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "narrow/portions.h"
#include "tasks/convert/convert_tensors.h"
#include "tasks/portions/sectioned_result.h"

namespace narrow {
namespace {

std::vector<std::string> key_of(const ConvertPlan& plan) {
  std::vector<std::string> key = {"convert"};
  for (const ConvertedTensor& tensor : plan.tensors) {
    std::string text = fmt::format("{}:", tensor.index);
    for (const std::size_t axis : tensor.axes) text += fmt::format(" {}", axis);
    key.push_back(text);
  }
  return key;
}

}  // namespace

std::uint64_t convert_portions(const CheckpointReader& reader, const ConvertPlan& plan,
                               const CheckpointLocation& output, Overwrite overwrite,
                               const std::map<std::string, std::string>& metadata,
                               const RunOptions& run) {
  std::vector<TensorInfo> tensors;
  for (const ConvertedTensor& tensor : plan.tensors) tensors.push_back(tensor.after);
  std::vector<std::uint64_t> overflows(tensors.size());
  SectionJob job;
  job.key = key_of(plan);
  job.make = [&](const PortionRun& portions, CheckpointWriter& writer, const NoteTensor& note) {
    const auto at = [&](std::size_t i) {
      return plan.tensors.begin() + static_cast<std::ptrdiff_t>(i);
    };
    const ConvertPlan part{{at(portions.first), at(portions.last)}, {}, {}};
    RunObserver<Observer> progress(run.observer, portions);
    convert_tensors(reader, part, writer, {run.threads, &progress},
                    [&](std::size_t tensor, std::uint64_t count) {
                      const std::size_t i = portions.first + tensor;
                      overflows[i] = count;
                      note(i, std::as_bytes(std::span(&overflows[i], 1)));
                    });
  };
  job.take = [&](std::size_t tensor, std::span<const std::byte> notes) {
    overflows[tensor] = ByteRecordReader(notes, "the journal").take<std::uint64_t>();
  };
  const auto strings = [&](std::size_t i) { return reader.read_strings(plan.tensors[i].index); };
  SectionedResult files(reader, output, overwrite, std::move(tensors), strings, metadata,
                        std::move(job));
  files.run(run.observer);
  if (exchange().makes_result()) files.finish();
  return std::accumulate(overflows.begin(), overflows.end(), std::uint64_t{0});
}

}  // namespace narrow
