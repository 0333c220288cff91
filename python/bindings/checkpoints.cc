#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "named_arrays.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"
#include "output.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

// A reader, whoever still reads from it.
struct Checkpoint {
  explicit Checkpoint(const std::filesystem::path& path) {
    const nb::gil_scoped_release others_may_run;
    reader = open_checkpoint(path);
  }
  std::shared_ptr<const CheckpointReader> reader;
};

const TensorInfo& info_at(const Checkpoint& checkpoint, std::size_t index) {
  return checkpoint.reader->tensors().at(index);
}

void read_into(const Checkpoint& checkpoint, std::size_t index, const WritableBytes& out) {
  const nb::gil_scoped_release others_may_run;
  checkpoint.reader->read(index, std::as_writable_bytes(values_of(out)));
}

nb::list read_strings(const Checkpoint& checkpoint, std::size_t index) {
  std::vector<std::string> strings;
  {
    const nb::gil_scoped_release others_may_run;
    strings = checkpoint.reader->read_strings(index);
  }
  nb::list list;
  for (const std::string& text : strings) list.append(nb::bytes(text.data(), text.size()));
  return list;
}

DType written_type(const std::string& name) {
  if (const auto dtype = dtype_named(name)) return *dtype;
  throw Error(ErrorCategory::kUnsupported, "arrays of type " + name + " cannot be written");
}

// A tensor that is to be written.
struct Entry {
  TensorInfo info;
  std::vector<std::string> strings;
  nb::object array;  // of bytes; keeps the memory
  std::span<const std::byte> bytes;
};

Entry entry_of(const nb::tuple& parts) {
  const std::string type = nb::cast<std::string>(parts[1]);
  Entry entry{{nb::cast<std::string>(parts[0]), written_type(type), nb::cast<Shape>(parts[2])},
              {},
              parts[3],
              {}};
  if (entry.info.dtype != DType::kString) {
    const auto array = nb::cast<Bytes>(parts[3]);
    entry.bytes = std::as_bytes(values_of(array));
    return entry;
  }
  for (const nb::handle text : parts[3]) {
    const auto bytes = nb::cast<nb::bytes>(text);
    entry.strings.emplace_back(bytes.c_str(), bytes.size());
  }
  return entry;
}

void save(const OutputArguments& output, const std::map<std::string, std::string>& metadata,
          const nb::list& tensors) {
  std::vector<Entry> entries;
  for (const nb::handle tensor : tensors) entries.push_back(entry_of(nb::cast<nb::tuple>(tensor)));
  const nb::gil_scoped_release others_may_run;
  const auto writer =
      create_checkpoint({format_named(output.format), output.path}, overwrite_of(output));
  if (!metadata.empty()) writer->set_metadata(metadata);
  for (const Entry& entry : entries) writer->add(entry.info);
  for (const Entry& entry : entries) {
    if (entry.info.dtype == DType::kString) {
      writer->write_strings(entry.strings);
    } else if (!entry.bytes.empty()) {
      writer->write(entry.bytes);
    }
  }
  writer->finish();
}

nb::list formats() {
  nb::list all;
  for (const CheckpointFormatTraits& traits : checkpoint_formats()) {
    nb::dict row;
    row["name"] = std::string(traits.name);
    row["title"] = std::string(traits.title);
    row["extension"] = std::string(traits.extension);
    row["is_written"] = traits.writing == CheckpointFormatTraits::Writing::kYes;
    all.append(row);
  }
  return all;
}

}  // namespace

void bind_checkpoints(nb::module_& module) {
  nb::class_<TensorInfo>(module, "TensorInfo")
      .def_ro("name", &TensorInfo::name)
      .def_prop_ro("dtype",
                   [](const TensorInfo& info) { return std::string(to_string(info.dtype)); })
      .def_prop_ro("type_name",
                   [](const TensorInfo& info) { return std::string(info.type_name()); })
      .def_ro("shape", &TensorInfo::shape)
      .def_ro("stored_as", &TensorInfo::stored_as)
      .def_prop_ro("nbytes", &TensorInfo::byte_size);
  nb::class_<Checkpoint>(module, "Checkpoint")
      .def(nb::init<const std::filesystem::path&>(), nb::arg("path"))
      .def_prop_ro("path", [](const Checkpoint& c) { return c.reader->location().path.string(); })
      .def_prop_ro(
          "format",
          [](const Checkpoint& c) { return std::string(to_string(c.reader->location().format)); })
      .def_prop_ro("metadata", [](const Checkpoint& c) { return c.reader->metadata(); })
      .def("__len__", [](const Checkpoint& c) { return c.reader->tensors().size(); })
      .def("info", info_at, nb::arg("index"), nb::rv_policy::reference_internal)
      .def("read_into", read_into, nb::arg("index"), nb::arg("out").noconvert())
      .def("read_strings", read_strings, nb::arg("index"));
  nb::class_<OutputArguments>(module, "Output")
      .def(nb::init<>())
      .def_rw("path", &OutputArguments::path)
      .def_rw("format", &OutputArguments::format)
      .def_rw("force", &OutputArguments::force);
  module.def("save", save, nb::arg("output"), nb::arg("metadata"), nb::arg("tensors"));
  module.def("formats", formats);
}

}  // namespace narrow::python
