// What Slim's inception_preprocessing does at random to an image that a network is trained on, in
// its default fast_mode: a box, mirrored or not, brightness, saturation.
#pragma once

#include <span>

#include "base/random.h"
#include "data/images/image.h"
#include "data/images/pillow_resize.h"

namespace narrow {

// tf.image.convert_image_dtype, of bytes.
constexpr float kInceptionScale = 1.0F / 255.0F;

struct InceptionDistortion {
  PixelWindow box;  // that is stretched to the square
  bool flipped = false;
  float brightness = 0;  // added to values from 0 to 1
  float saturation = 1;  // its factor
};

// Draws box, flip, brightness, saturation. The box is TensorFlow's sample_distorted_bounding_box
// with the whole image as object: width / height from 0.75 to 1.33, a tenth of the image at least;
// the whole image when a hundred attempts gave none.
InceptionDistortion draw_inception_distortion(int height, int width, RandomStream& random);

// The box, stretched to a square of `size`, in those colours: `out` has values from -1 to 1, equal
// to those of TensorFlow's resize_images, flip_left_right, adjust_brightness, adjust_saturation and
// clip_by_value to the bit.
void apply_inception_distortion(const Image& image, const InceptionDistortion& distortion, int size,
                                std::span<float> out);

}  // namespace narrow
