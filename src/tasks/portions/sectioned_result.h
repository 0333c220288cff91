// A checkpoint that is made in portions by a job that gives a CheckpointWriter its values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/overwrite.h"
#include "tasks/portions/portioned_result.h"

namespace narrow {

struct SectionJob {
  std::vector<std::string> key;  // see PortionJob
  // Adds and writes the tensors of a run; see PortionJob.
  std::function<void(const PortionRun& run, CheckpointWriter& writer, const NoteTensor& note)> make;
  std::function<void(std::size_t tensor, std::span<const std::byte> notes)> take;
};

class SectionedResult {
 public:
  // `tensors`: of the result, in order. `strings`: the elements of one of them. Throws Error:
  // kUnsupported for what the format does not hold; kUsage for a format without known places; what
  // PortionedResult throws.
  SectionedResult(const CheckpointReader& reader, const CheckpointLocation& output,
                  Overwrite overwrite, std::vector<TensorInfo> tensors, const StringsOf& strings,
                  const std::map<std::string, std::string>& metadata, SectionJob job);

  // See PortionedResult.
  void run(Observer* observer) { portions_->run(portion_job(), observer); }
  void finish() { portions_->finish(portion_job()); }
  void discard() { portions_->discard(); }

 private:
  PortionJob portion_job();
  void make(const PortionRun& run, const std::filesystem::path& path, const NoteTensor& note);
  void take(std::size_t tensor, std::span<const std::byte> notes);

  SectionJob job_;
  std::vector<TensorInfo> tensors_;
  std::unique_ptr<SectionedCheckpoint> checkpoint_;
  std::vector<std::uint32_t> checksums_;
  std::unique_ptr<PortionedResult> portions_;
};

}  // namespace narrow
