#include "tasks/portions/sectioned_result.h"

#include <fmt/format.h>

#include <utility>

#include "base/byte_record.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

fs::path source_index(const CheckpointReader& reader) {
  const CheckpointLocation& location = reader.location();
  return location.format == CheckpointFormat::kSafetensorsShards ? location.path : fs::path();
}

std::unique_ptr<SectionedCheckpoint> sectioned(const CheckpointReader& reader,
                                               const CheckpointLocation& output,
                                               const std::vector<TensorInfo>& tensors,
                                               const StringsOf& strings,
                                               const std::map<std::string, std::string>& metadata) {
  switch (output.format) {
    case CheckpointFormat::kSafetensors:
      return section_safetensors(output.path, tensors, metadata);
    case CheckpointFormat::kSafetensorsShards:
      return section_shards(output.path, source_index(reader), tensors, metadata);
    case CheckpointFormat::kTensorFlowV2:
      return section_tensorflow_v2(output.path, tensors, strings, metadata);
    default:
      throw Error(ErrorCategory::kUsage, fmt::format("a file of the format {} is not made in "
                                                     "portions",
                                                     to_string(output.format)));
  }
}

}  // namespace

SectionedResult::SectionedResult(const CheckpointReader& reader, const CheckpointLocation& output,
                                 Overwrite overwrite, std::vector<TensorInfo> tensors,
                                 const StringsOf& strings,
                                 const std::map<std::string, std::string>& metadata, SectionJob job)
    : job_(std::move(job)),
      tensors_(std::move(tensors)),
      checkpoint_(sectioned(reader, output, tensors_, strings, metadata)),
      checksums_(tensors_.size()) {
  job_.key.emplace_back(to_string(output.format));
  for (const auto& [name, text] : metadata) job_.key.push_back(name + "=" + text);
  PortionedFiles files{output.path, checkpoint_->names(), checkpoint_->late_file(), {}, {}};
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const TensorInfo& info = tensors_[i];
    job_.key.push_back(info.name);
    job_.key.push_back(fmt::format("{}{}", info.type_name(), to_string(info.shape)));
    files.bytes.push_back(info.byte_size());
    files.file_of.push_back(checkpoint_->file_of(i));
  }
  portions_ = std::make_unique<PortionedResult>(reader, std::move(files), overwrite);
}

PortionJob SectionedResult::portion_job() {
  PortionJob job;
  job.key = job_.key;
  job.make = [this](const PortionRun& run, const fs::path& path, const NoteTensor& note) {
    make(run, path, note);
  };
  job.take = [this](std::size_t tensor, std::span<const std::byte> notes) { take(tensor, notes); };
  job.complete = [this](const SectionedCheckpoint::PathOf& path_of) {
    checkpoint_->complete(path_of, checksums_);
  };
  return job;
}

// The notes of a tensor: its checksum, then those of the job.
void SectionedResult::make(const PortionRun& run, const fs::path& path, const NoteTensor& note) {
  const auto writer = checkpoint_->write(path, run.first, run.last);
  job_.make(run, *writer, [&](std::size_t tensor, std::span<const std::byte> notes) {
    checksums_[tensor] = writer->checksum(tensor - run.first);
    ByteRecord record;
    record.put(checksums_[tensor]);
    record.put_bytes(notes);
    note(tensor, record.bytes());
  });
  writer->finish();
}

void SectionedResult::take(std::size_t tensor, std::span<const std::byte> notes) {
  ByteRecordReader record(notes, "the journal");
  checksums_[tensor] = record.take<std::uint32_t>();
  job_.take(tensor, notes.subspan(sizeof(std::uint32_t)));
}

}  // namespace narrow
