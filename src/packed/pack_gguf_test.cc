#include "narrow/pack_gguf.h"

#include <gtest/gtest.h>

#include <limits>

#include "checkpoint/container/formats.h"
#include "checkpoint/testing/flat_checkpoint.h"
#include "checkpoint/testing/memory_checkpoint.h"

namespace narrow {
namespace {

std::string pack(const CheckpointReader& reader, const std::string& type,
                 const std::filesystem::path& metadata = {}) {
  const TempFolder folder;
  const GgufPackResult result =
      pack_gguf(reader, {type, metadata}, folder / "out.gguf", Overwrite::kNo);
  std::string content = file_content(folder / "out.gguf");
  EXPECT_EQ(result.file_bytes, content.size());
  return content;
}

std::unique_ptr<CheckpointReader> golden(const std::string& name) {
  return open_checkpoint(golden_path("gguf/" + name + ".gguf"));
}

// The same tensors from elsewhere.
MemoryReader in_memory(const CheckpointReader& reader, DType dtype = DType::kFloat32) {
  std::vector<MemoryTensor> tensors;
  for (const FullTensor& full : read_everything(reader)) {
    MemoryTensor tensor{full.info, {}, {}};
    tensor.info.stored_as.clear();
    for (std::size_t i = 0; i < full.values.size(); i += sizeof(float)) {
      const auto value = load_le<float>(full.values.data() + i);
      const auto append = [&](auto number) {
        const auto bytes = std::as_bytes(std::span(&number, 1));
        tensor.bytes.insert(tensor.bytes.end(), bytes.begin(), bytes.end());
      };
      dtype == DType::kFloat64 ? append(static_cast<double>(value)) : append(value);
    }
    tensor.info.dtype = dtype;
    tensors.push_back(std::move(tensor));
  }
  return MemoryReader(std::move(tensors));
}

TEST(PackGguf, GivesTheFilesOfTheReferenceByteForByte) {
  const auto weights = golden("weights");
  for (const std::string& type : gguf_pack_types()) {
    SCOPED_TRACE(type);
    const std::string expected =
        file_content(golden_path("gguf/" + (type == "F32" ? "weights" : type) + ".gguf"));
    EXPECT_TRUE(pack(*weights, type) == expected);
    const auto metadata = golden_path("gguf/weights.gguf");
    EXPECT_TRUE(pack(in_memory(*weights), type, metadata) == expected);
    EXPECT_TRUE(pack(in_memory(*weights, DType::kFloat64), type, metadata) == expected);
  }
}

TEST(PackGguf, WhatHasTheTypeStaysByteForByte) {
  for (const std::string& type : gguf_pack_types()) {
    if (type == "F32") continue;
    const std::string expected = file_content(golden_path("gguf/" + type + ".gguf"));
    EXPECT_TRUE(pack(*golden(type), type) == expected) << type;
  }
}

TEST(PackGguf, SaysWhatBecameOfEachTensor) {
  const TempFolder folder;
  const auto result = pack_gguf(*golden("weights"), {"Q8_0", {}}, folder / "out", Overwrite::kNo);
  std::string text;
  for (const GgufPackedTensor& tensor : result.tensors) {
    text += tensor.info.name + " " + tensor.type + " " + to_string(tensor.choice) + " " +
            std::to_string(tensor.bytes) + "\n";
  }
  EXPECT_EQ(text,
            "blk.0.attn_q.weight Q8_0 type 544\nblk.0.ffn_up.weight Q8_0 type 204\n"
            "odd.weight F16 rows 132\nblk.0.attn_norm.weight F32 kept 128\n"
            "output_norm.weight F32 kept 256\nblk.0.attn_q.bias F32 kept 128\n");
}

// Codes, integers and types that are not computed with come through as they are.
TEST(PackGguf, OtherTensorsOfAGgufFileStayWhatTheyAre) {
  const TempFolder folder;
  const auto types = golden("types");
  pack_gguf(*types, {"Q4_0", {}}, folder / "out", Overwrite::kNo);
  const auto packed = open_checkpoint(folder / "out");
  EXPECT_EQ(read_everything(*packed), read_everything(*types));
}

TEST(PackGguf, RefusesValuesThatTheTypeCannotHold) {
  const TempFolder folder;
  const auto metadata = golden_path("gguf/types.gguf");
  const auto refuses = [&](const std::string& type, float value) {
    std::vector<float> values(64);
    values[40] = value;
    const MemoryReader reader({memory_tensor<float>("w.weight", DType::kFloat32, {2, 32}, values)});
    const std::filesystem::path vocabulary = folder / "vocabulary";
    create_gguf_like(metadata, {CheckpointFormat::kGguf, vocabulary}, Overwrite::kYes)->finish();
    expect_error(ErrorCategory::kNumeric, "tensor w.weight of memory has NaN", [&] {
      pack_gguf(reader, {type, vocabulary}, folder / "out", Overwrite::kNo);
    });
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  };
  for (const std::string type : {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    refuses(type, std::numeric_limits<float>::quiet_NaN());
    refuses(type, std::numeric_limits<float>::infinity());
    refuses(type, 1e20F);
  }
  refuses("F16", 65520);
  refuses("BF16", std::numeric_limits<float>::max());
}

TEST(PackGguf, NeedsMetadataOfTheSameNetwork) {
  const auto metadata = golden_path("gguf/weights.gguf");
  const auto refuses = [&](const std::string& part, const CheckpointReader& reader,
                           const std::filesystem::path& source) {
    const TempFolder folder;
    expect_error(ErrorCategory::kUnsupported, part, [&] {
      pack_gguf(reader, {"Q8_0", source}, folder / "out", Overwrite::kNo);
    });
    EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
  };
  const MemoryReader one({memory_tensor<float>("a", DType::kFloat32, {1}, {1})});
  refuses("llama.cpp needs more", one, {});
  refuses("is not a GGUF file", one, golden_path("gguf/types.gguf.txt"));
  refuses("lacks tensor blk.0.attn_q.weight", one, metadata);
  const auto weights = golden("weights");
  const auto changed = [&](const std::string& name, const Shape& shape) {
    std::vector<MemoryTensor> tensors;
    for (const FullTensor& full : read_everything(*weights)) {
      tensors.push_back({full.info, std::vector<std::byte>(full.values.size()), {}});
    }
    if (name == "added") tensors.push_back(memory_tensor<float>(name, DType::kFloat32, shape, {1}));
    for (MemoryTensor& tensor : tensors) {
      if (tensor.info.name == name) tensor.info.shape = shape;
    }
    return MemoryReader(std::move(tensors));
  };
  refuses("is [64, 8], but in", changed("blk.0.attn_q.weight", {64, 8}), metadata);
  refuses("has tensor added", changed("added", {1}), metadata);
  expect_error(ErrorCategory::kUsage, "Q4_K is not a type", [&] {
    pack_gguf(*weights, {"Q4_K", {}}, "out", Overwrite::kNo);
  });
}

}  // namespace
}  // namespace narrow
