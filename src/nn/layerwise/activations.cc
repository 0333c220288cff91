#include "nn/layerwise/activations.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::span<const float> image_of(const Activations& x, std::size_t image) {
  return std::span(x.values).subspan(image * x.floats_per_image(), x.floats_per_image());
}

std::span<float> image_of(Activations& x, std::size_t image) {
  return std::span(x.values).subspan(image * x.floats_per_image(), x.floats_per_image());
}

// Calls body(image) for every image, several at once.
template <typename Body>
void for_each_image(const Activations& x, const Body& body) {
  parallel_for(static_cast<std::size_t>(x.images), body);
}

// The part [first, end) of one axis that a window covers.
struct Span {
  int first = 0;
  int end = 0;
};

// By window along one axis.
std::vector<Span> window_spans(const PoolGeometry& geometry, std::size_t axis) {
  std::vector<Span> spans;
  for (std::int64_t i = 0; i < geometry.out[axis]; ++i) {
    const std::int64_t begin = i * geometry.strides[axis] - geometry.before[axis];
    const std::int64_t end = begin + geometry.kernel[axis];
    spans.push_back({static_cast<int>(std::max<std::int64_t>(begin, 0)),
                     static_cast<int>(std::min(end, geometry.in[axis]))});
  }
  return spans;
}

// The largest values of the window, by channel.
void pool_window(const Activations& x, std::span<const float> from, const Span& rows,
                 const Span& columns, float* to) {
  const auto channels = static_cast<std::size_t>(x.channels);
  bool first = true;
  for (int row = rows.first; row < rows.end; ++row) {
    for (int column = columns.first; column < columns.end; ++column) {
      const float* const pixel =
          from.data() + (static_cast<std::size_t>(row) * x.width + column) * channels;
      for (std::size_t c = 0; c < channels; ++c)
        to[c] = first ? pixel[c] : std::max(to[c], pixel[c]);
      first = false;
    }
  }
}

}  // namespace

Activations Activations::zeros(std::int64_t images, int height, int width, int channels) {
  Activations x{images, height, width, channels, {}};
  x.values.resize(static_cast<std::size_t>(images) * x.floats_per_image());
  return x;
}

Activations max_pool(const Activations& x, const PoolGeometry& geometry) {
  const std::vector<Span> rows = window_spans(geometry, 0);
  const std::vector<Span> columns = window_spans(geometry, 1);
  Activations y = Activations::zeros(x.images, static_cast<int>(rows.size()),
                                     static_cast<int>(columns.size()), x.channels);
  for_each_image(x, [&](std::size_t image) {
    float* to = image_of(y, image).data();
    for (const Span& row : rows) {
      for (const Span& column : columns) {
        pool_window(x, image_of(x, image), row, column, to);
        to += y.channels;
      }
    }
  });
  return y;
}

Activations global_mean(const Activations& x) {
  Activations y = Activations::zeros(x.images, 1, 1, x.channels);
  const auto channels = static_cast<std::size_t>(x.channels);
  for_each_image(x, [&](std::size_t image) {
    std::vector<double> sums(channels);
    const std::span<const float> from = image_of(x, image);
    for (std::size_t i = 0; i < from.size(); ++i) sums[i % channels] += from[i];
    const double pixels = static_cast<double>(x.height) * x.width;
    std::ranges::transform(sums, image_of(y, image).begin(),
                           [&](double sum) { return static_cast<float>(sum / pixels); });
  });
  return y;
}

void scale_and_shift(std::span<const double> slope, std::span<const double> offset, bool relu,
                     Activations& x) {
  for_each_image(x, [&](std::size_t image) {
    const std::span<float> values = image_of(x, image);
    for (std::size_t i = 0; i < values.size(); i += slope.size()) {
      for (std::size_t c = 0; c < slope.size(); ++c) {
        const auto y = static_cast<float>(slope[c] * values[i + c] + offset[c]);
        values[i + c] = relu ? std::max(y, 0.0F) : y;
      }
    }
  });
}

void add_to(const Activations& x, bool relu, Activations& sum) {
  if (x.height != sum.height || x.width != sum.width || x.channels != sum.channels) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} x {} x {} values are added to {} x {} x {}: sums are executed of "
                            "equal shapes only",
                            x.height, x.width, x.channels, sum.height, sum.width, sum.channels));
  }
  for_each_image(x, [&](std::size_t image) {
    const std::span<const float> from = image_of(x, image);
    const std::span<float> to = image_of(sum, image);
    for (std::size_t i = 0; i < to.size(); ++i) {
      const float value = to[i] + from[i];
      to[i] = relu ? std::max(value, 0.0F) : value;
    }
  });
}

}  // namespace narrow
