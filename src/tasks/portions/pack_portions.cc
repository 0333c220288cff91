#include <nlohmann/json.hpp>
#include <utility>

#include "base/exchange.h"
#include "base/file.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/safetensors/safetensors_output.h"
#include "checkpoint/safetensors/safetensors_places.h"
#include "narrow/portions.h"
#include "packed/pack_pipeline.h"
#include "packed/packed_parts.h"
#include "quant/scheme_json.h"
#include "tasks/portions/portioned_result.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr auto kKeep = ScatteredOutputFile::Existing::kKeep;

class PortionPacker {
 public:
  PortionPacker(const CheckpointReader& reader, const QuantizePlan& plan,
                const PackOptions& options, const fs::path& output, const RunOptions& run)
      : reader_(reader),
        output_(output),
        name_(single_file_name(output)),
        plan_(plan),
        run_(run),
        parts_(contents_to_pack(reader, options, plan_)),
        places_(places()) {}

  [[nodiscard]] PortionedFiles files() {
    PortionedFiles files{output_, {name_}, {}, {}, {}};
    for (const PackedTensor& tensor : parts_.contents().tensors) {
      files.bytes.push_back(tensor.info.byte_size());
      files.file_of.push_back(0);
    }
    return files;
  }

  PortionJob job() {
    PortionJob job;
    job.key = {"pack", parts_.contents().tool};
    for (const auto& [name, text] : parts_.contents().metadata) {
      job.key.push_back(name + "=" + text);
    }
    for (const TensorPlan& tensor : plan_) {
      job.key.push_back(tensor.scheme ? scheme_json(*tensor.scheme).dump() : "unchanged");
    }
    job.make = [this](const PortionRun& portions, const fs::path& path, const NoteTensor& note) {
      make(portions, path, note);
    };
    job.take = [this](std::size_t tensor, std::span<const std::byte> notes) {
      parts_.take(tensor, notes);
    };
    job.complete = [this](const SectionedCheckpoint::PathOf& path_of) { complete(path_of); };
    return job;
  }

  PackedContents take_contents() { return std::move(parts_.contents()); }

 private:
  [[nodiscard]] SafetensorsPlaces places() const {
    return safetensors_places(parts_.layout().stored, parts_.metadata(),
                              SafetensorsOutput::kDataAlignment);
  }

  [[nodiscard]] PackedParts::WriteAt writer_to(ScatteredOutputFile& file) const {
    return
        [this, &file](std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) {
          file.write_at(places_.begins[index] + offset, bytes);
        };
  }

  void make(const PortionRun& portions, const fs::path& path, const NoteTensor& note) {
    ScatteredOutputFile file(path, kKeep);
    file.reserve(0, places_.file_bytes);
    const PackedParts::WriteAt write = writer_to(file);
    const QuantizePlan part(plan_.begin() + static_cast<std::ptrdiff_t>(portions.first),
                            plan_.begin() + static_cast<std::ptrdiff_t>(portions.last));
    RunObserver<Observer> progress(run_.observer, portions);
    run_pack_pipeline(
        reader_, part, NonFinitePolicy::kError, run_.threads,
        [&](QuantizePiece& piece) { parts_.put(portions.first + piece.plan_index, piece, write); },
        [&](std::size_t index, const Digest128& digest) {
          const std::size_t tensor = portions.first + index;
          parts_.set_digest(tensor, digest);
          note(tensor, parts_.notes(tensor));
        },
        &progress);
    file.finish();
  }

  void complete(const SectionedCheckpoint::PathOf& path_of) {
    parts_.finish();
    parts_.contents().file_bytes = places_.file_bytes;
    const fs::path path = path_of(name_);
    ScatteredOutputFile file(path, kKeep);
    parts_.put_padding(writer_to(file));
    file.finish();
    complete_safetensors(path, places());
  }

  const CheckpointReader& reader_;
  const fs::path output_;
  const std::string name_;
  QuantizePlan plan_;  // what cannot be quantized has no scheme
  const RunOptions& run_;
  PackedParts parts_;
  SafetensorsPlaces places_;
};

}  // namespace

PackedContents pack_portions(const CheckpointReader& reader, const QuantizePlan& plan,
                             const PackOptions& options, const fs::path& output,
                             Overwrite overwrite, const RunOptions& run) {
  PortionPacker packer(reader, plan, options, output, run);
  PortionedResult result(reader, packer.files(), overwrite);
  const PortionJob job = packer.job();
  result.run(job, run.observer);
  if (exchange().makes_result()) result.finish(job);
  return packer.take_contents();
}

}  // namespace narrow
