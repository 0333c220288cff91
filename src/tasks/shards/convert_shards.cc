#include <fmt/format.h>

#include <map>
#include <span>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "narrow/convert_checkpoint.h"
#include "tasks/shards/sharded_result.h"

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

std::uint64_t convert_shards(const CheckpointReader& reader, const ConvertPlan& plan,
                             const CheckpointLocation& output, Overwrite overwrite,
                             const std::map<std::string, std::string>& metadata,
                             const RunOptions& run) {
  std::vector<TensorInfo> tensors;
  for (const ConvertedTensor& tensor : plan.tensors) tensors.push_back(tensor.after);
  std::map<std::size_t, std::uint64_t> overflows;  // by the first tensor of a file
  ShardJob job;
  job.key = key_of(plan);
  job.make = [&](const ShardPlace& place, CheckpointWriter& writer) {
    const auto at = [&](std::size_t i) {
      return plan.tensors.begin() + static_cast<std::ptrdiff_t>(i);
    };
    const ConvertPlan part{{at(place.first), at(place.last)}, {}, {}};
    ShardObserver<Observer> progress(run.observer, place);
    overflows[place.first] = convert_checkpoint(reader, part, writer, {run.threads, &progress});
    ByteRecord record;
    record.put(overflows[place.first]);
    return record.take();
  };
  job.take = [&](const ShardPlace& place, std::span<const std::byte> notes) {
    overflows[place.first] = ByteRecordReader(notes, "the journal").take<std::uint64_t>();
  };
  ShardedResult files(reader, output.path, overwrite, std::move(tensors), metadata);
  files.run(job, run.observer);
  if (exchange().makes_result()) files.finish();
  std::uint64_t sum = 0;
  for (const auto& [first, count] : overflows) sum += count;
  return sum;
}

}  // namespace narrow
