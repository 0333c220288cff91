// Reads a checkpoint for tests that compare with other programs.
//   checkpoint_dump dump CHECKPOINT               every tensor to standard output
//   checkpoint_dump copy CHECKPOINT FORMAT OUTPUT every tensor to a checkpoint: tf, safetensors,
//                                                 npz, npy, hdf5, or onnx from onnx
// A tensor is dumped as a line "<type> <dimensions with commas, or -> <bytes of the name> <bytes of
// the values>", the name, and the values; every string among the values starts with its length in
// eight bytes.
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/error.h"

namespace {

void print(std::string_view bytes) { std::fwrite(bytes.data(), 1, bytes.size(), stdout); }

std::string dimensions(const narrow::Shape& shape) {
  std::string text;
  for (const auto dim : shape) text += (text.empty() ? "" : ",") + std::to_string(dim);
  return text.empty() ? "-" : text;
}

std::string values_of(const narrow::CheckpointReader& reader, std::size_t index) {
  const narrow::TensorInfo& info = reader.tensors()[index];
  std::string bytes;
  if (info.dtype == narrow::DType::kString) {
    for (const std::string& value : reader.read_strings(index)) {
      const std::uint64_t size = value.size();
      bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
      bytes += value;
    }
  } else {
    bytes.resize(info.byte_size());
    reader.read(index, std::as_writable_bytes(std::span(bytes)));
  }
  return bytes;
}

void dump(const narrow::CheckpointReader& reader) {
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const narrow::TensorInfo& info = reader.tensors()[i];
    const std::string bytes = values_of(reader, i);
    print(std::string(to_string(info.dtype)) + " " + dimensions(info.shape) + " " +
          std::to_string(info.name.size()) + " " + std::to_string(bytes.size()) + "\n");
    print(info.name);
    print(bytes);
  }
}

narrow::CheckpointFormat format_of(const std::string& name) {
  using narrow::CheckpointFormat;
  for (const auto format :
       {CheckpointFormat::kTensorFlowV2, CheckpointFormat::kSafetensors, CheckpointFormat::kNpz,
        CheckpointFormat::kNpy, CheckpointFormat::kOnnx, CheckpointFormat::kHdf5}) {
    if (to_string(format) == name) return format;
  }
  throw narrow::Error(narrow::ErrorCategory::kUsage, "unknown format " + name);
}

void copy(const narrow::CheckpointReader& reader, const char* format, const char* output) {
  const narrow::CheckpointLocation target = {.format = format_of(format), .path = output};
  const auto writer = target.format == narrow::CheckpointFormat::kOnnx
                          ? create_checkpoint_like(reader, target, narrow::Overwrite::kYes)
                          : create_checkpoint(target, narrow::Overwrite::kYes);
  writer->set_metadata(reader.metadata());
  for (const auto& info : reader.tensors()) writer->add(info);
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    if (reader.tensors()[i].dtype == narrow::DType::kString) {
      writer->write_strings(reader.read_strings(i));
    } else {
      const std::string bytes = values_of(reader, i);
      writer->write(std::as_bytes(std::span(bytes)));
    }
  }
  writer->finish();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::strcmp(argv[1], "dump") == 0) {
      dump(*narrow::open_checkpoint(argv[2]));
    } else if (argc == 5 && std::strcmp(argv[1], "copy") == 0) {
      copy(*narrow::open_checkpoint(argv[2]), argv[3], argv[4]);
    } else {
      std::fputs("usage: checkpoint_dump dump CHECKPOINT | copy CHECKPOINT FORMAT OUTPUT\n",
                 stderr);
      return 2;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "checkpoint_dump: %s\n", error.what());
    return 2;
  }
  return std::fflush(stdout) == 0 ? 0 : 2;
}
