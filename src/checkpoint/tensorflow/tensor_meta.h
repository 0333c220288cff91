// What TensorFlow's messages say about a tensor, checked and in the library's own types.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensorflow/slices/tensor_slices.h"
#include "narrow/tensor.h"
#include "tensorflow_checkpoint.pb.h"

namespace narrow {

// The number of a tensor's type in TensorFlow's DataType (types.proto); nothing for an opaque type
// of another family.
std::optional<int> tensorflow_number(const TensorInfo& info);

// Whether the values are variants: objects that TensorFlow has serialized, such as the position of
// an iterator.
bool is_variant(const TensorInfo& info);

// In all of these, `where` names file and tensor in errors.

// Sets the type of `info`: kOpaque for numbers that are not computed with, of any TensorFlow; their
// size is not known then. Throws Error(kCorrupt) for what is no number of a type.
void set_tensorflow_type(int number, const std::string& where, TensorInfo* info);

// Throws Error(kCorrupt) for an unknown rank, negative dimensions, or more elements of `dtype` than
// can be addressed.
Shape shape_from_proto(const tensorflow::TensorShapeProto& proto, DType dtype,
                       const std::string& where);

TensorSlice slice_from_proto(const tensorflow::TensorSliceProto& proto);

// Throws Error(kUnsupported) when the file says that a reader of version 1 will not do.
void check_version(const tensorflow::VersionDef& version, const std::string& where);

// Parses `bytes`; Error(kCorrupt) if they are no such message.
template <typename Message>
void parse_message(std::string_view bytes, const std::string& where, Message* message);

[[noreturn]] void throw_not_a_message(const std::string& where);

template <typename Message>
void parse_message(std::string_view bytes, const std::string& where, Message* message) {
  if (bytes.size() > 0x7fffffff ||
      !message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw_not_a_message(where);
  }
}

}  // namespace narrow
