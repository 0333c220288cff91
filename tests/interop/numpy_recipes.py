"""What pictures become before a network sees them, in NumPy and Pillow: written from the
descriptions of TF-Slim and torchvision, operation by operation in float32."""
import numpy as np
from PIL import Image, ImageOps

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
IMAGENET_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
IMAGENET_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


def neighbours(size, to_size, first, count):
    """Of the results `first` on: two source positions and how far between them each lies."""
    positions = np.arange(first, first + count, dtype=np.float32) * (np.float32(size) / np.float32(to_size))
    low = np.floor(positions)
    fraction = positions - low
    low = low.astype(np.int64)
    return np.minimum(low, size - 1), np.minimum(low + 1, size - 1), fraction


def slim_vgg(pixels, side, size, mean, deviation):
    """Slim's evaluation path: TensorFlow's ResizeBilinear and the middle of its result."""
    height, width = (np.float32(length) for length in pixels.shape[:2])
    scale = np.float32(side) / min(height, width)
    to_height, to_width = int(np.rint(height * scale)), int(np.rint(width * scale))
    top, bottom, down = neighbours(pixels.shape[0], to_height, (to_height - size) // 2, size)
    left, right, across = neighbours(pixels.shape[1], to_width, (to_width - size) // 2, size)
    values, across = pixels.astype(np.float32), across[:, None]
    rows = values[:, left] + (values[:, right] - values[:, left]) * across
    crop = rows[top] + (rows[bottom] - rows[top]) * down[:, None, None]
    return (crop - np.asarray(mean, np.float32)) / np.asarray(deviation, np.float32)


def torchvision_crop(image, side, size, resample):
    """Resize(side) and CenterCrop(size) of a Pillow image."""
    short, long = min(image.size), max(image.size)
    longer = int(side * long / short)
    image = image.resize((side, longer) if image.width <= image.height else (longer, side), resample)
    left, top = (int(round((length - size) / 2.0)) for length in image.size)
    return image.crop((left, top, left + size, top + size))


def imagenet(image, side, size, resize, interpolation):
    """torchvision's ImageNet recipe; beside a letterboxed picture the values are 0."""
    resample = FILTERS[interpolation]
    if resize == "letterbox":
        seen = ImageOps.contain(image, (size, size), resample)
    elif resize == "stretch":
        seen = image.resize((size, size), resample)
    else:
        seen = torchvision_crop(image, side, size, resample)
    values = (np.asarray(seen, np.float32) - IMAGENET_MEAN) / IMAGENET_DEVIATION
    result = np.zeros((size, size, 3), np.float32)
    top, left = round((size - seen.height) * 0.5), round((size - seen.width) * 0.5)
    result[top:top + seen.height, left:left + seen.width] = values
    return result
