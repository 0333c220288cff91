#include <fmt/format.h>

#include <numeric>
#include <span>
#include <utility>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "narrow/portions.h"
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
  std::vector<std::uint64_t> overflows(tensors.size());  // those of a run at its first tensor
  SectionJob job;
  job.key = key_of(plan);
  job.make = [&](const PortionRun& portions, CheckpointWriter& writer, const NoteTensor& note) {
    const auto at = [&](std::size_t i) {
      return plan.tensors.begin() + static_cast<std::ptrdiff_t>(i);
    };
    const ConvertPlan part{{at(portions.first), at(portions.last)}, {}, {}};
    RunObserver<Observer> progress(run.observer, portions);
    overflows[portions.first] = convert_checkpoint(reader, part, writer, {run.threads, &progress});
    for (std::size_t i = portions.first; i < portions.last; ++i) {
      note(i, std::as_bytes(std::span(&overflows[i], 1)));
    }
  };
  job.notes_late = true;
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
