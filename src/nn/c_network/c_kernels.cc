#include "nn/c_network/c_kernels.h"

#include <initializer_list>
#include <utility>

namespace narrow::c_network {
namespace {

// Of layers whose windows lie in images: without a line's end behind, as what stands for them.
constexpr std::string_view kImageFields =
    R"(  int32_t height;  /* of the input */
  int32_t width;
  int32_t channels;
  int32_t out_height;
  int32_t out_width;)";
constexpr std::string_view kWindowFields =
    R"(  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_y;
  int32_t stride_x;
  int32_t dilation_y;
  int32_t dilation_x;
  int32_t before_y;  /* padding */
  int32_t before_x;)";

constexpr std::string_view kLinearLayer = R"(
/* Images have their channels last. Windows that reach beyond the image see codes of zero there. */
typedef struct {
IMAGE_FIELDS
  int32_t out_channels;
WINDOW_FIELDS
  int32_t group_in;  /* channels */
  int32_t group_out;
  int32_t zero;         /* of the input */
  const void *weights;  /* [out_channels][kernel_height][kernel_width][group_in] */
  const void *biases;
  result_format to;
} linear_layer;
)";

constexpr std::string_view kProductLayer = R"(
typedef struct {
  int32_t count;
  int32_t period;  /* of the elements of b */
  int32_t zero_a;
  int32_t zero_b;
  result_format to;
} product_layer;
)";

constexpr std::string_view kWindowLayer = R"(
typedef struct {
IMAGE_FIELDS
WINDOW_FIELDS
  int32_t counts_padding;
  int32_t zero;
  result_format to;
} window_layer;
)";

constexpr std::string_view kTableLayer = R"(
typedef struct {
  int32_t count;
  int32_t first;  /* code of the first entry */
  const void *codes;
} table_layer;
)";

constexpr std::string_view kCopyLayer = R"(
typedef struct {
  int32_t sizes[4];
  int32_t from[5];  /* strides, and where it begins */
  int32_t to[5];
} copy_layer;
)";

constexpr std::string_view kLinear = R"(
static void NAME(const linear_layer *layer, const X_T *x, Y_T *y)
{
  const W_T *const weights = (const W_T *)layer->weights;
  const A_T *const biases = (const A_T *)layer->biases;
  const int32_t taps = layer->kernel_height * layer->kernel_width;
  int32_t out_row, out_column, channel, tap, i;
  for (out_row = 0; out_row < layer->out_height; ++out_row) {
    for (out_column = 0; out_column < layer->out_width; ++out_column) {
      for (channel = 0; channel < layer->out_channels; ++channel) {
        const X_T *const group = x + channel / layer->group_out * layer->group_in;
        A_T sum = biases[channel];
        for (tap = 0; tap < taps; ++tap) {
TAP_PLACE
          const int32_t weight = (channel * taps + tap) * layer->group_in;
          const X_T *at;
          if (row < 0 || row >= layer->height || column < 0 || column >= layer->width) continue;
          at = group + (row * layer->width + column) * layer->channels;
          for (i = 0; i < layer->group_in; ++i) {
            sum += (A_T)((int32_t)at[i] - layer->zero) * weight_W(weights, weight + i);
          }
        }
        *y++ = RESULT;
      }
    }
  }
}
)";

constexpr std::string_view kAdd = R"(
static void NAME(const add_layer *layer, const X_T *a, const W_T *b, Y_T *y)
{
  int32_t i;
  for (i = 0; i < layer->count; ++i) {
    y[i] = (Y_T)(added((int32_t)a[i] - layer->zero_a, (int32_t)b[i] - layer->zero_b, layer) +
                 layer->to.zero);
  }
}
)";

constexpr std::string_view kProduct = R"(
static void NAME(const product_layer *layer, const X_T *a, const W_T *b, Y_T *y)
{
  int32_t i;
  for (i = 0; i < layer->count; ++i) {
    const int64_t product = (int64_t)((int32_t)a[i] - layer->zero_a) *
                            ((int32_t)b[i % layer->period] - layer->zero_b);
    y[i] = (Y_T)(requantize(product, &layer->to, 0) + layer->to.zero);
  }
}
)";

// The element of the image on which a tap lies.
constexpr std::string_view kTapPlace =
    R"(          const int32_t row = out_row * layer->stride_y - layer->before_y +
                              tap / layer->kernel_width * layer->dilation_y;
          const int32_t column = out_column * layer->stride_x - layer->before_x +
                                 tap % layer->kernel_width * layer->dilation_x;)";

// BEGIN, TAKE and END are what differs.
constexpr std::string_view kWindows = R"(
static void NAME(const window_layer *layer, const X_T *x, Y_T *y)
{
  const int32_t taps = layer->kernel_height * layer->kernel_width;
  int32_t out_row, out_column, channel, tap;
  for (out_row = 0; out_row < layer->out_height; ++out_row) {
    for (out_column = 0; out_column < layer->out_width; ++out_column) {
      for (channel = 0; channel < layer->channels; ++channel) {
BEGIN
        for (tap = 0; tap < taps; ++tap) {
TAP_PLACE
          X_T code;
          if (row < 0 || row >= layer->height || column < 0 || column >= layer->width) continue;
          code = x[(row * layer->width + column) * layer->channels + channel];
TAKE
        }
END
      }
    }
  }
}
)";

constexpr std::string_view kTable = R"(
static void NAME(const table_layer *layer, const X_T *x, Y_T *y)
{
  const Y_T *const codes = (const Y_T *)layer->codes;
  int32_t i;
  for (i = 0; i < layer->count; ++i) y[i] = codes[(int32_t)x[i] - layer->first];
}
)";

constexpr std::string_view kCopy = R"(
static void NAME(const copy_layer *layer, const X_T *x, X_T *y)
{
  const int32_t *const from = layer->from;
  const int32_t *const to = layer->to;
  int32_t a, b, c, d;
  for (a = 0; a < layer->sizes[0]; ++a) {
    for (b = 0; b < layer->sizes[1]; ++b) {
      for (c = 0; c < layer->sizes[2]; ++c) {
        for (d = 0; d < layer->sizes[3]; ++d) {
          y[to[4] + a * to[0] + b * to[1] + c * to[2] + d * to[3]] =
              x[from[4] + a * from[0] + b * from[1] + c * from[2] + d * from[3]];
        }
      }
    }
  }
}
)";

constexpr std::string_view kWeight = R"(
static int32_t NAME(const W_T *weights, int32_t index)
{
  return weights[index];
}
)";

constexpr std::string_view kNibble = R"(
/* Two weights a byte, the first in the lower half, with a sign. */
static int32_t NAME(const W_T *weights, int32_t index)
{
  const int32_t code = (weights[index / 2] >> (index % 2 * 4)) & 15;
  return (code ^ 8) - 8;
}
)";

using Replacements = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// One after the other, wherever they stand.
std::string with(std::string_view pattern, const Replacements& replacements) {
  std::string text(pattern);
  for (const auto& [word, by] : replacements) {
    for (std::size_t at = text.find(word); at != std::string::npos;
         at = text.find(word, at + by.size())) {
      text.replace(at, word.size(), by);
    }
  }
  return text;
}

std::string with_fields(std::string_view layer) {
  return with(layer, {{"IMAGE_FIELDS", kImageFields}, {"WINDOW_FIELDS", kWindowFields}});
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    if (!text.empty()) text += '_';
    text += part;
  }
  return text;
}

Kernel window_kernel(std::string name, ElementType x, ElementType y, std::string_view begin,
                     std::string_view take, std::string_view end) {
  std::string text = with(kWindows, {{"TAP_PLACE", kTapPlace},
                                     {"BEGIN", begin},
                                     {"TAKE", take},
                                     {"END", end},
                                     {"NAME", name},
                                     {"X_T", x.c_type},
                                     {"Y_T", y.c_type}});
  return {std::move(name), std::move(text)};
}

}  // namespace

Kernel linear_kernel(ElementType x, ElementType weight, ElementType sum, ElementType y) {
  const bool makes_sums = y.bits >= kS32.bits;
  std::string name = makes_sums ? joined({"sums", x.name, weight.name, sum.name})
                                : joined({"linear", x.name, weight.name, sum.name, y.name});
  std::string text =
      with(kLinear, {{"TAP_PLACE", kTapPlace},
                     {"NAME", name},
                     {"RESULT", makes_sums ? "sum"
                                           : "(Y_T)(requantize(sum, &layer->to, channel) + "
                                             "layer->to.zero)"},
                     {"weight_W", joined({"weight", weight.name})},
                     {"X_T", x.c_type},
                     {"W_T", weight.c_type},
                     {"A_T", sum.c_type},
                     {"Y_T", y.c_type}});
  return {std::move(name), std::move(text)};
}

Kernel weight_kernel(ElementType weight) {
  std::string name = joined({"weight", weight.name});
  std::string text =
      with(weight == kS4 ? kNibble : kWeight, {{"NAME", name}, {"W_T", weight.c_type}});
  return {std::move(name), std::move(text)};
}

Kernel add_kernel(ElementType a, ElementType b, ElementType y) {
  std::string name = joined({"add", a.name, b.name, y.name});
  std::string text =
      with(kAdd, {{"NAME", name}, {"X_T", a.c_type}, {"W_T", b.c_type}, {"Y_T", y.c_type}});
  return {std::move(name), std::move(text)};
}

Kernel product_kernel(ElementType a, ElementType b, ElementType y) {
  std::string name = joined({"product", a.name, b.name, y.name});
  std::string text =
      with(kProduct, {{"NAME", name}, {"X_T", a.c_type}, {"W_T", b.c_type}, {"Y_T", y.c_type}});
  return {std::move(name), std::move(text)};
}

Kernel mean_kernel(ElementType x, ElementType y) {
  return window_kernel(joined({"mean", x.name, y.name}), x, y,
                       "        int64_t sum = 0;\n        int32_t count = 0;",
                       "          sum += (int32_t)code - layer->zero;\n          ++count;",
                       "        if (layer->counts_padding != 0) count = taps;\n"
                       "        *y++ = (Y_T)(mean_code(sum, count, &layer->to) + layer->to.zero);");
}

Kernel largest_kernel(ElementType x) {
  return window_kernel(joined({"largest", x.name}), x, x,
                       "        X_T largest = (X_T)(layer->to.least + layer->to.zero);",
                       "          if (code > largest) largest = code;", "        *y++ = largest;");
}

Kernel table_kernel(ElementType x, ElementType y) {
  std::string name = joined({"table", x.name, y.name});
  std::string text = with(kTable, {{"NAME", name}, {"X_T", x.c_type}, {"Y_T", y.c_type}});
  return {std::move(name), std::move(text)};
}

Kernel copy_kernel(ElementType x) {
  std::string name = joined({"copy", x.name});
  std::string text = with(kCopy, {{"NAME", name}, {"X_T", x.c_type}});
  return {std::move(name), std::move(text)};
}

std::string linear_layer_text() { return with_fields(kLinearLayer); }
std::string_view product_layer_text() { return kProductLayer; }
std::string window_layer_text() { return with_fields(kWindowLayer); }
std::string_view table_layer_text() { return kTableLayer; }
std::string_view copy_layer_text() { return kCopyLayer; }

}  // namespace narrow::c_network
