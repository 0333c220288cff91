#include "cli/options/recipe_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <vector>

#include "cli/options/slim_flags.h"
#include "cli/options/width_lists.h"
#include "narrow/error.h"

namespace narrow {

std::array<float, 3> parse_color(const std::string& text, const std::string& option) {
  const std::vector<std::string> parts = split_list(text);
  std::array<float, 3> color{};
  bool are_numbers = parts.size() == color.size();
  for (std::size_t i = 0; are_numbers && i < color.size(); ++i) {
    const char* end = parts[i].data() + parts[i].size();
    const auto [stop, error] = std::from_chars(parts[i].data(), end, color[i]);
    are_numbers = error == std::errc{} && stop == end;
  }
  if (are_numbers) return color;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}={} is not three numbers R,G,B on the scale 0..255, 127,127,127 say",
                          option, text));
}

void add_recipe_flags(Command& command, ImageSource& images, const std::string& group) {
  const auto in_group = [&](Option option) {
    if (!group.empty()) option.group(group);
    return option;
  };
  const auto add_color = [&](const std::string& name, std::optional<std::array<float, 3>>& color,
                             const std::string& help) {
    const auto take = [&color, name](const std::string& text) { color = parse_color(text, name); };
    in_group(command.add_option_function<std::string>(name, take, help)).type_name("R,G,B");
  };
  const auto add_choice = [&](const std::string& names, std::string& value,
                              const std::vector<std::string>& choices, const std::string& help) {
    in_group(command.add_option(names, value, help)).one_of(choices).type_name("NAME");
  };
  add_choice(
      "--resize", images.resize, {"crop", "stretch", "letterbox"},
      "crop: the middle; stretch: all, distorted; letterbox:\nall, with a border; default crop");
  add_choice("--interpolation", images.interpolation, {"bilinear", "bicubic"},
             "imagenet: bilinear or bicubic; default bilinear");
  in_group(command.add_option(slim_flag("crop_pct"), images.crop_pct,
                              "resize_side is the image size divided by this"))
      .type_name("X")
      .in_range(0.0, 1.0);
  add_color("--mean", images.mean, "subtracted, of 0..255; default that of the preprocessing");
  add_color("--std", images.deviation, "then divided by, of 0..255; default the same");
  add_choice(slim_flag("channel_order"), images.channel_order, {"rgb", "bgr"},
             "that the network sees: rgb or bgr; default rgb");
  add_choice(slim_flag("jpeg_dct"), images.jpeg_dct, {"fast", "accurate"},
             "fast as TensorFlow, accurate as Pillow; default fast\nfor datasets, accurate for "
             "--images");
}

}  // namespace narrow
