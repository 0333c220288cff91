#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

std::string golden_model(const std::string& name) {
  return file_content(golden_path("tflite/" + name + ".tflite"));
}

// What the generated lists do not say is taken away.
std::vector<FullTensor> known_tensors(const CheckpointReader& reader, std::size_t piece_bytes) {
  std::vector<FullTensor> tensors = read_everything(reader, piece_bytes);
  std::erase_if(tensors, [](const FullTensor& t) { return t.info.dtype == DType::kOpaque; });
  for (FullTensor& tensor : tensors) {
    const TensorInfo& info = tensor.info;
    tensor.info = {.name = info.name, .dtype = info.dtype, .shape = info.shape};
  }
  return tensors;
}

std::map<std::string, TensorInfo> infos_of(const std::string& name) {
  std::map<std::string, TensorInfo> infos;
  const auto reader = open_checkpoint(golden_path("tflite/" + name + ".tflite"));
  for (const TensorInfo& info : reader->tensors()) infos.emplace(info.name, info);
  return infos;
}

// Opens and reads all of `content`.
void read_model(std::string_view content) {
  const MemoryFile file(as_byte_span(content));
  read_everything(*open_tflite({CheckpointFormat::kTflite, file.path()}));
}

TEST(Tflite, ReadsWhatTensorFlowWrote) {
  for (const std::string name : {"types", "half", "integer"}) {
    const auto reader = open_checkpoint(golden_path("tflite/" + name + ".tflite"));
    EXPECT_EQ(reader->location().format, CheckpointFormat::kTflite);
    for (const std::size_t piece_bytes : {0, 1, 7}) {
      EXPECT_EQ(known_tensors(*reader, piece_bytes), expected_tensors("tflite/" + name + ".tflite"))
          << name;
    }
    const auto stream = reader->open(0);
    std::string beyond(reader->tensors()[0].byte_size() + 1, '\0');
    expect_error(ErrorCategory::kUsage, "were asked for",
                 [&] { stream->read(std::as_writable_bytes(std::span(beyond))); });
  }
}

TEST(Tflite, SaysWhatCodesStandForValues) {
  const auto infos = infos_of("types");
  EXPECT_EQ(infos.at("codes/first_axis").stored_as, "INT8");
  EXPECT_EQ(infos.at("codes/int4").stored_as, "INT4");
  EXPECT_EQ(infos.at("codes/int4").dtype, DType::kFloat32);
  EXPECT_EQ(infos.at("plain/int8_4").stored_as, "INT4");
  EXPECT_EQ(infos.at("plain/int8").stored_as, "");
  EXPECT_EQ(infos.at("sparse/rows").stored_as, "sparse FLOAT32");
}

TEST(Tflite, ListsOtherTypesWithNameAndSize) {
  const auto infos = infos_of("types");
  for (const auto& [name, type, bytes] :
       {std::tuple("strings", "STRING", 19), std::tuple("sparse/codes", "sparse INT8", 8),
        std::tuple("custom", "INT8 with quantization of kind 1", 2)}) {
    const OpaqueType expected{OpaqueType::Family::kTflite, type, static_cast<std::uint64_t>(bytes)};
    EXPECT_EQ(infos.at(name).opaque, expected);
  }
  const auto reader = open_checkpoint(golden_path("tflite/types.tflite"));
  std::string bytes(19, '\0');
  reader->read(*reader->find("strings"), std::as_writable_bytes(std::span(bytes)));
  EXPECT_EQ(bytes.substr(16), "abc");
}

TEST(Tflite, TellsWeightsByTheirOperators) {
  struct WeightCase {
    std::string name;
    std::optional<int> axis;
  };
  const auto infos = infos_of("types");
  for (const auto& [name, axis] : {WeightCase{"weights/conv", 0},
                                   {"weights/half", 3},
                                   {"weights/dense", 0},
                                   {"weights/right", 1},
                                   {"weights/adjoint", 0}}) {
    EXPECT_EQ(infos.at(name).use, TensorUse::kWeight) << name;
    EXPECT_EQ(infos.at(name).channel_axis, axis) << name;
  }
  for (const std::string name : {"weights/bias", "plain/float32", "subgraph_1/scalar"}) {
    EXPECT_EQ(infos.at(name).use, TensorUse::kOther) << name;
    EXPECT_EQ(infos.at(name).channel_axis, std::nullopt) << name;
  }
  EXPECT_EQ(infos_of("half").at("sequential/dense/MatMul").use, TensorUse::kWeight);
}

TEST(Tflite, IsNotWritten) {
  expect_error(ErrorCategory::kUnsupported, "only be read; safetensors", [] {
    create_checkpoint({.format = CheckpointFormat::kTflite, .path = "x"}, Overwrite::kNo);
  });
}

TEST(Tflite, RefusesAnyCutFile) {
  const std::string content = golden_model("types");
  for (std::size_t size = 8; size < content.size(); size += 7) {
    expect_error(ErrorCategory::kCorrupt, "damaged",
                 [&] { read_model(std::string_view(content).substr(0, size)); });
  }
}

TEST(Tflite, DamageIsAnErrorOrOtherValues) {
  const std::string content = golden_model("types");
  std::size_t errors = 0;
  for (std::size_t i = 0; i < content.size(); i += 9) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << i / 9 % 8));
    try {
      read_model(damaged);
    } catch (const Error& error) {
      EXPECT_NE(error.category(), ErrorCategory::kUsage) << error.what();
      ++errors;
    }
  }
  EXPECT_GT(errors, 50U);
}

// "integer" with the bytes `from` replaced, which lie there once.
std::string changed(const std::string& from, const std::string& to) {
  std::string content = golden_model("integer");
  const std::size_t at = content.find(from);
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(content.find(from, at + 1), std::string::npos);
  return content.replace(at, from.size(), to);
}

TEST(Tflite, NamesTheTensorThatIsWrong) {
  using namespace std::string_literals;
  const std::string shape = "\4\0\0\0\1\0\0\0\3\0\0\0\3\0\0\0\4\0\0\0"s;  // four dimensions
  for (const auto& [dim, part] :
       {std::pair("\5\0\0\0"s,
                  "has 36 bytes of values, but its shape [1, 3, 3, 5] and type INT8 "
                  "demand 45"),
        std::pair("\xff\xff\xff\xff"s,
                  "'sequential_1/depthwise/depthwise' has a dimension below")}) {
    const std::string other = shape.substr(0, 16) + dim;
    expect_error(ErrorCategory::kCorrupt, part, [&] { read_model(changed(shape, other)); });
  }
  const std::string scales = "along axis 3, where they do not fit";
  const std::string swapped = "\4\0\0\0\1\0\0\0\3\0\0\0\4\0\0\0\3\0\0\0"s;
  expect_error(ErrorCategory::kCorrupt, scales, [&] { read_model(changed(shape, swapped)); });
}

// A vector of `count` offsets to the byte `target` at the end of `bytes`; returns where it begins.
std::uint32_t add_offsets(std::uint32_t count, std::size_t target, std::string& bytes) {
  const auto begin = static_cast<std::uint32_t>(bytes.size());
  bytes.resize(begin + 4 + 4 * std::size_t{count});
  store_le(bytes.data() + begin, count);
  for (std::size_t at = begin + 4; at < bytes.size(); at += 4) {
    store_le(bytes.data() + at, static_cast<std::uint32_t>(target - at));
  }
  return begin;
}

TEST(Tflite, TablesThatRepeatAreRefusedBeforeTheyTakeMemory) {
  using namespace std::string_literals;
  constexpr std::uint32_t kCount = 5000;
  // Tables with their vtables before them, from the inside to the outside; offsets lead forward, so
  // vectors wrap around 2^32, which no file of less has: hence the targets come last.
  const std::string vtables = "\x00\x00\x00\x00TFL3"s +
                              "\x0e\0\x10\0\x04\0\0\0\x08\0\0\0\x0c\0\0\0"s +  // at 8: a model
                              "\x06\0\x08\0\x04\0\0\0"s +         // at 24: a subgraph, a buffer
                              "\x0a\0\x08\0\0\0\0\0\x04\0\0\0"s;  // at 32: a tensor
  std::string bytes = vtables;
  const auto add_table = [&bytes](std::int32_t vtable, std::vector<std::uint32_t> fields) {
    const auto begin = static_cast<std::uint32_t>(bytes.size());
    bytes.resize(begin + 4 + 4 * fields.size());
    store_le(bytes.data() + begin, static_cast<std::int32_t>(begin) - vtable);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      store_le(bytes.data() + begin + 4 + 4 * i, fields[i]);
    }
    return begin;
  };
  const std::uint32_t vector_bytes = 4 + 4 * kCount;
  const std::uint32_t model = add_table(8, {3, 8, 4 + vector_bytes});
  store_le(bytes.data(), model);
  const std::uint32_t subgraph = static_cast<std::uint32_t>(bytes.size()) + vector_bytes + 12;
  add_offsets(kCount, subgraph, bytes);
  add_offsets(2, subgraph + 8 + vector_bytes + 8, bytes);
  add_table(24, {4});
  add_offsets(kCount, bytes.size() + vector_bytes, bytes);
  add_table(32, {1});
  add_table(24, {4});
  bytes += "\4\0\0\0abcd"s;
  expect_error(ErrorCategory::kCorrupt, "the same places again and again",
               [&] { read_model(bytes); });
}

}  // namespace
}  // namespace narrow
