// The functions in C that compute a network, as text. C99, with integers only; what shifts numbers
// below zero or converts them stays within what the language defines.
#pragma once

#include <string>
#include <string_view>

#include "narrow/integer_arithmetic.h"
#include "narrow/tensor.h"

namespace narrow::c_network {

// What an element of an array is called in names of functions, and its type in C.
struct ElementType {
  std::string_view name;    // "u8", "s4"
  std::string_view c_type;  // "uint8_t"; of 4 bits, two in one: "uint8_t"
  int bits = 8;
  bool operator==(const ElementType&) const = default;
};

constexpr ElementType kU8 = {"u8", "uint8_t", 8};
constexpr ElementType kS8 = {"s8", "int8_t", 8};
constexpr ElementType kU16 = {"u16", "uint16_t", 16};
constexpr ElementType kS16 = {"s16", "int16_t", 16};
constexpr ElementType kS4 = {"s4", "uint8_t", 4};     // weights only
constexpr ElementType kS32 = {"s32", "int32_t", 32};  // sums, and what is not a code
constexpr ElementType kS64 = {"s64", "int64_t", 64};

// What sums become: of which functions the others are made. `linear`: of sums of products and of
// single products, `add`: of sums of two codes, `mean`: of sums of elements.
struct RequantizationUse {
  bool linear = false;
  bool add = false;
  bool mean = false;
};
std::string requantization_text(const IntegerArithmetic& arithmetic, const RequantizationUse& use);

// A function and its name. The structures that they take are those of structures_text().
struct Kernel {
  std::string name;
  std::string text;
};
// Products of x and weights added up in `sum`; to codes, or with y the type of the sums to these.
Kernel linear_kernel(ElementType x, ElementType weight, ElementType sum, ElementType y);
Kernel add_kernel(ElementType a, ElementType b, ElementType y);
Kernel product_kernel(ElementType a, ElementType b, ElementType y);
Kernel mean_kernel(ElementType x, ElementType y);
Kernel largest_kernel(ElementType x);
Kernel table_kernel(ElementType x, ElementType y);
Kernel copy_kernel(ElementType x);
// How a linear kernel reads a weight.
Kernel weight_kernel(ElementType weight);

// Of the format of a result, for the fields of `arithmetic`.
std::string format_text(const IntegerArithmetic& arithmetic);
// Of the layers of each kind.
std::string linear_layer_text();
std::string add_layer_text(const IntegerArithmetic& arithmetic);
std::string_view product_layer_text();
std::string window_layer_text();
std::string_view table_layer_text();
std::string_view copy_layer_text();

}  // namespace narrow::c_network
