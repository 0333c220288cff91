#include <gtest/gtest.h>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/npz/npy_header.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

CheckpointLocation at(const std::filesystem::path& path) { return {CheckpointFormat::kNpy, path}; }

std::string make_npy(const std::string& literal, std::size_t data_bytes) {
  std::string file = std::string("\x93NUMPY\1\0", 8) + std::string(2, '\0') + literal;
  store_le(file.data() + 8, static_cast<std::uint16_t>(literal.size()));
  return file + std::string(data_bytes, 'x');
}

void expect_refused(ErrorCategory category, const std::string& part, const std::string& content) {
  SCOPED_TRACE(content.substr(0, 300));
  const MemoryFile file(as_byte_span(content));
  expect_error(category, part, [&] { open_npy(at(file.path())); });
}

void expect_damaged(const std::string& part, const std::string& literal) {
  SCOPED_TRACE(literal);
  expect_error(ErrorCategory::kCorrupt, part, [&] { parse_npy_literal(literal, "x"); });
}

TEST(Npy, ReadsEveryVersionAndNamesTheTensorAfterTheFile) {
  for (const std::string name : {"version1.npy", "version2.npy", "version3.npy"}) {
    const auto reader = open_npy(at(golden_path("npz/" + name)));
    EXPECT_EQ(read_everything(*reader), expected_tensors("npz/" + name));
    EXPECT_EQ(read_everything(*reader, 3), expected_tensors("npz/" + name));
  }
}

TEST(Npy, WritesTheBytesThatNumpyWrites) {
  const TempFolder folder;
  const auto tensors = expected_tensors("npz/version1.npy");
  auto writer = create_npy(at(folder / "new/out.npy"), Overwrite::kNo);
  write_everything(writer.get(), tensors, 5);
  EXPECT_EQ(file_content(folder / "new/out.npy"), file_content(golden_path("npz/version1.npy")));
}

TEST(Npy, WritesTheHeadersThatNumpyWrites) {
  EXPECT_EQ(build_npy_header({"", DType::kInt8, {}}),
            std::string("\x93NUMPY\1\0v\0", 10) +
                "{'descr': '|i1', 'fortran_order': False, 'shape': (), }" + std::string(62, ' ') +
                "\n");
  EXPECT_EQ(build_npy_header({"", DType::kComplex128, {12345}}),
            std::string("\x93NUMPY\1\0v\0", 10) +
                "{'descr': '<c16', 'fortran_order': False, 'shape': (12345,), }" +
                std::string(55, ' ') + "\n");
  const Shape longest(32, 1'000'000'000'000);
  EXPECT_EQ(build_npy_header({"", DType::kFloat16, longest}).size() % 64, 0U);
}

TEST(Npy, RefusesWhatNumpyCannotHold) {
  const TempFolder folder;
  auto writer = create_npy(at(folder / "out.npy"), Overwrite::kNo);
  for (const DType dtype : {DType::kBFloat16, DType::kFloat8E4M3, DType::kFloat8E5M2}) {
    expect_error(ErrorCategory::kUnsupported, "; safetensors or tf", [&] {
      writer->add({"a", dtype, {1}});
    });
  }
  for (const DType dtype : {DType::kString, DType::kQInt8}) {
    expect_error(ErrorCategory::kUnsupported, "; tf", [&] { writer->add({"a", dtype, {1}}); });
  }
  expect_error(ErrorCategory::kUnsupported, "safetensors' F4; safetensors", [&] {
    writer->add({"a", DType::kOpaque, {1}, {OpaqueType::Family::kSafetensors, "F4", 1, false}});
  });
  for (const std::string name : {"<U1', 'x': '", "[('x', '<f4')], 'x': [", "<f4", ""}) {
    SCOPED_TRACE(name);
    EXPECT_THROW(
        writer->add({"a", DType::kOpaque, {1}, {OpaqueType::Family::kNumpy, name, 4, false}}),
        Error);
  }
  expect_error(ErrorCategory::kUnsupported, "at most 32 dimensions", [&] {
    writer->add({"a", DType::kInt8, Shape(33, 1)});
  });
  expect_error(ErrorCategory::kUsage, "none was added", [&] { writer->finish(); });
  writer->add({"a", DType::kInt8, {1}});
  expect_error(ErrorCategory::kUnsupported, "; npz", [&] {
    writer->add({"b", DType::kInt8, {1}});
  });
  expect_error(ErrorCategory::kUsage, "0 of its 1", [&] { writer->finish(); });
}

std::string literal_of(const std::string& descr, const std::string& shape,
                       const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

TEST(Npy, ListsTypesItDoesNotComputeWith) {
  const auto expect_type = [](const std::string& name, const std::string& type, const Shape& shape,
                              std::uint64_t bytes) {
    SCOPED_TRACE(name);
    const auto reader = open_npy(at(golden_path("npz/unsupported_" + name + ".npy")));
    const TensorInfo expected{"unsupported_" + name,
                              DType::kOpaque,
                              shape,
                              {OpaqueType::Family::kNumpy, type, bytes, false}};
    EXPECT_EQ(reader->tensors(), std::vector<TensorInfo>{expected});
  };
  expect_type("object", "|O", {2}, 157);
  expect_type("record", "[('x', '<f4'), ('y', '<i2')]", {2}, 12);
  expect_type("text", "<U2", {2}, 16);
  expect_type("time", "<M8[s]", {2}, 16);
  for (const std::string descr : {"|V2", "<V2", "<f16", "<c32", "|S5", "<U2", "<m8", "<M8[25s]"}) {
    const NpyHeader header = parse_npy_literal(literal_of("'" + descr + "'", "()"), "x");
    EXPECT_EQ(header.dtype, DType::kOpaque) << descr;
    EXPECT_EQ(header.opaque.name, descr);
  }
  for (const std::string descr : {"|f4", "f4", "", "<", "<f", "<f4x", "!f4", "<4", "|O\t"}) {
    expect_refused(ErrorCategory::kUnsupported, "of NumPy type " + descr,
                   make_npy(literal_of("'" + descr + "'", "()"), 0));
  }
}

TEST(Npy, CopiesTypesItDoesNotComputeWithByteForByte) {
  const TempFolder folder;
  for (const std::string name : {"object", "record", "text", "time"}) {
    const auto source = golden_path("npz/unsupported_" + name + ".npy");
    auto writer = create_npy(at(folder / (name + ".npy")), Overwrite::kNo);
    write_everything(writer.get(), read_everything(*open_npy(at(source)), 3), 2);
    EXPECT_EQ(file_content(folder / (name + ".npy")), file_content(source));
  }
  // The order of the elements is that of the file, which the header says.
  const std::string texts = make_npy(literal_of("'|S1'", "(2, 3)", "True"), 6);
  put_file(folder / "f.npy", texts);
  auto writer = create_npy(at(folder / "copy.npy"), Overwrite::kNo);
  write_everything(writer.get(), read_everything(*open_npy(at(folder / "f.npy"))));
  EXPECT_NE(file_content(folder / "copy.npy").find("'fortran_order': True"), std::string::npos);
}

TEST(Npy, ChecksTheSizesOfTypesItDoesNotComputeWith) {
  expect_refused(ErrorCategory::kCorrupt, "<U2 [3] needs 24",
                 make_npy(literal_of("'<U2'", "(3,)"), 23));
  expect_refused(ErrorCategory::kCorrupt, "needs 8", make_npy(literal_of("'<M8[s]'", "()"), 9));
  expect_refused(ErrorCategory::kCorrupt, "needs 9",
                 make_npy(literal_of("[('x', '<f4')]", "(3,)"), 10));
  expect_refused(ErrorCategory::kCorrupt, "needs 0",
                 make_npy(literal_of("[('x', '<f4')]", "(0,)"), 10));
  expect_refused(ErrorCategory::kCorrupt, "impossible",
                 make_npy(literal_of("'|O'", "(4294967296, 4294967296)"), 10));
  expect_refused(ErrorCategory::kCorrupt, "impossible",
                 make_npy(literal_of("'|V4294967295'", "(8589934592,)"), 10));
}

TEST(Npy, RefusesHostileHeaders) {
  const std::string good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
  const TempFolder folder;
  put_file(folder / "good.npy", make_npy(good, 2));
  EXPECT_EQ(open_npy(at(folder / "good.npy"))->tensors()[0].name, "good");

  expect_refused(ErrorCategory::kCorrupt, "needs 2", make_npy(good, 1));
  expect_refused(ErrorCategory::kCorrupt, "more than one array", make_npy(good, 3));
  expect_refused(ErrorCategory::kCorrupt, "too few", "\x93NUMPY\1");
  expect_refused(ErrorCategory::kCorrupt, "magic", std::string(100, 'x'));
  expect_refused(ErrorCategory::kUnsupported, "version 4.0",
                 std::string("\x93NUMPY\4\0\1\0\0\0\0\0", 14));
  expect_refused(ErrorCategory::kUnsupported, "version 1.1",
                 std::string("\x93NUMPY\1\1\1\0\0\0\0\0", 14));
  expect_refused(ErrorCategory::kCorrupt, "announces an NPY header of 4294967295",
                 std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12));
  expect_refused(ErrorCategory::kCorrupt, "announces an NPY header of 65535",
                 std::string("\x93NUMPY\1\0\xff\xff", 10) + "  ");
  expect_refused(
      ErrorCategory::kCorrupt, "impossible",
      make_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0));
  expect_refused(ErrorCategory::kCorrupt, "impossible",
                 make_npy("{'descr': '<f8', 'fortran_order': True, 'shape': "
                          "(9223372036854775807,), }",
                          0));
}

TEST(Npy, ParsesOnlyTheLiteralsThatNumpyWrites) {
  const auto header =
      parse_npy_literal("{\"shape\": (3L, 4L), 'fortran_order': True, 'descr': '>f4'}  \n", "x");
  EXPECT_EQ(header.shape, (Shape{3, 4}));
  EXPECT_TRUE(header.fortran_order);
  EXPECT_TRUE(header.big_endian);
  EXPECT_EQ(header.dtype, DType::kFloat32);

  expect_damaged("'{'", "");
  expect_damaged("quotes", "{");
  expect_damaged("keys descr", "{}");
  expect_damaged("keys descr", "{'descr': '<f4', 'shape': (), }");
  expect_damaged("one of the keys", "{'x': 1}");
  expect_damaged("not there before", "{'descr': '<f4', 'descr': '<f4', }");
  expect_damaged("closing quote", "{'descr': '<f4");
  expect_damaged("escapes", "{'descr': '<f\\x34'}");
  expect_damaged("rest of a structured type", "{'descr': [('x', '<f4')");
  expect_damaged("']'", "{'descr': [('x', '<f4'))");
  expect_damaged("closing quote", "{'descr': [('x, <f4)]}");
  const std::string descr = R"x([('a]\'', '<f4'), ("b)", [('c', '|O')], (2,))])x";
  const auto structured = parse_npy_literal(literal_of(descr, "()"), "x");
  EXPECT_EQ(structured.opaque.name, descr);
  expect_damaged("True or False", "{'fortran_order': 1}");
  expect_damaged("dimension", "{'shape': (-1,)}");
  expect_damaged("dimension", "{'shape': (9223372036854775808,)}");
  expect_damaged("tuple of one", "{'shape': (1+1,)}");
  expect_damaged("tuple of one", "{'shape': (1)}");
  expect_damaged("')'", "{'shape': (1, 2");
  std::string ones;
  for (int i = 0; i < 65; ++i) ones += "1, ";
  expect_damaged("64 dimensions", "{'shape': (" + ones + ")}");
  expect_damaged("'('", "{'shape': [1, 2]}");
  expect_damaged("end of the header", "{'descr': '<f4', 'fortran_order': False, 'shape': (), } x");
}

TEST(Npy, RefusesEveryTruncation) {
  const std::string content = file_content(golden_path("npz/version1.npy"));
  for (std::size_t size = 0; size < content.size(); ++size) {
    expect_refused(ErrorCategory::kCorrupt, "", content.substr(0, size));
  }
}

}  // namespace
}  // namespace narrow
