#include "nn/layerwise/activation_batches.h"

#include <algorithm>
#include <span>
#include <utility>

namespace narrow {
namespace {

std::uint64_t bytes_of(const Activations& x) { return x.values.size() * sizeof(float); }

}  // namespace

ActivationBatches::ActivationBatches(Activations all, std::shared_ptr<ActivationMemory> memory)
    : memory_(std::move(memory)) {
  const std::size_t floats_per_image = std::max(all.floats_per_image(), std::size_t{1});
  const auto floats = static_cast<std::ptrdiff_t>(floats_per_image);
  const auto together =
      static_cast<std::int64_t>(std::max(kBatchFloats / floats_per_image, std::size_t{1}));
  for (std::int64_t first = 0; first < all.images; first += together) {
    const std::int64_t images = std::min(together, all.images - first);
    const auto begin = all.values.begin() + first * floats;
    add({images, all.height, all.width, all.channels, {begin, begin + images * floats}});
  }
}

ActivationBatches::~ActivationBatches() {
  for (const Activations& batch : batches_) memory_->taken -= bytes_of(batch);
}

void ActivationBatches::add(Activations batch) {
  const std::uint64_t bytes = bytes_of(batch);
  if (memory_->taken + bytes <= memory_->most_bytes) {
    memory_->taken += bytes;
    places_.emplace_back();
    batches_.push_back(std::move(batch));
    return;
  }
  if (!file_) file_.emplace();
  file_->write_at(file_bytes_, std::as_bytes(std::span(batch.values)));
  places_.emplace_back(file_bytes_);
  file_bytes_ += bytes;
  batches_.push_back({batch.images, batch.height, batch.width, batch.channels, {}});
}

const Activations& ActivationBatches::at(std::size_t batch, Activations& room) const {
  const Activations& held = batches_[batch];
  if (!places_[batch]) return held;
  room = {held.images, held.height, held.width, held.channels, std::move(room.values)};
  room.values.resize(static_cast<std::size_t>(room.images) * room.floats_per_image());
  file_->read_at(*places_[batch], std::as_writable_bytes(std::span(room.values)));
  return room;
}

Activations ActivationBatches::load(std::size_t batch) const {
  Activations room;
  if (const Activations& found = at(batch, room); &found != &room) return found;
  return room;
}

Activations ActivationBatches::take(std::size_t batch) {
  if (places_[batch]) return load(batch);
  Activations taken = std::move(batches_[batch]);
  batches_[batch] = {taken.images, taken.height, taken.width, taken.channels, {}};
  memory_->taken -= bytes_of(taken);
  return taken;
}

}  // namespace narrow
