#include "data/images/contact_sheet.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint8_t kGround = 32;

void check_layout(std::span<const Image> images, const ContactSheetLayout& layout) {
  constexpr int kMost = static_cast<int>(kMaxImageSide);
  const auto outside = [](int value, int least) { return value < least || value > kMost; };
  if (images.empty() || outside(layout.columns, 1) || outside(layout.scale, 1) ||
      outside(layout.gap, 0)) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("a contact sheet of {} images in {} columns, scale {} and gap {} cannot "
                    "be made; each but the gap must be at least 1 and at most {}",
                    images.size(), layout.columns, layout.scale, layout.gap, kMost));
  }
}

// Copies `image`, enlarged, to the sheet with its upper left corner at (top, left).
void paste(const Image& image, int scale, std::int64_t top, std::int64_t left, Image* sheet) {
  for (std::int64_t y = 0; y < std::int64_t{image.height} * scale; ++y) {
    for (std::int64_t x = 0; x < std::int64_t{image.width} * scale; ++x) {
      const std::int64_t from = (y / scale * image.width + x / scale) * kImageChannels;
      const std::int64_t to = ((top + y) * sheet->width + left + x) * kImageChannels;
      std::copy_n(image.pixels.begin() + from, kImageChannels, sheet->pixels.begin() + to);
    }
  }
}

}  // namespace

Image make_contact_sheet(std::span<const Image> images, const ContactSheetLayout& layout) {
  check_layout(images, layout);
  std::int64_t cell_height = 0;
  std::int64_t cell_width = 0;
  for (const Image& image : images) {
    cell_height = std::max<std::int64_t>(cell_height, image.height);
    cell_width = std::max<std::int64_t>(cell_width, image.width);
  }
  const std::int64_t step_y = cell_height * layout.scale + layout.gap;
  const std::int64_t step_x = cell_width * layout.scale + layout.gap;
  const auto count = static_cast<std::int64_t>(images.size());
  const std::int64_t columns = std::min<std::int64_t>(layout.columns, count);
  const std::int64_t rows = (count + columns - 1) / columns;
  const std::int64_t height = layout.gap + rows * step_y;
  const std::int64_t width = layout.gap + columns * step_x;
  constexpr std::int64_t kMost = kMaxImageSide;
  if (height > kMost || width > kMost || height * width > std::int64_t{kMaxImagePixels}) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the contact sheet would have {} x {} pixels; ask for fewer images or "
                            "a smaller scale",
                            width, height));
  }
  Image sheet{static_cast<int>(height), static_cast<int>(width), {}};
  sheet.pixels.assign(static_cast<std::size_t>(height * width * kImageChannels), kGround);
  for (std::int64_t i = 0; i < count; ++i) {
    paste(images[static_cast<std::size_t>(i)], layout.scale, layout.gap + i / columns * step_y,
          layout.gap + i % columns * step_x, &sheet);
  }
  return sheet;
}

}  // namespace narrow
