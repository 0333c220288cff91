// XXH3 of 128 bits (Yann Collet, xxHash), by libxxhash: tells contents apart at the speed of
// memory. It is no cryptographic hash: whoever wants to can make two contents that have the same
// one.
#pragma once

#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace narrow {

// The canonical form: the most significant byte first.
using Digest128 = std::array<std::uint8_t, sizeof(XXH128_canonical_t)>;

inline Digest128 canonical_digest(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return std::to_array(canonical.digest);
}

inline Digest128 hash128(std::span<const std::byte> bytes) {
  return canonical_digest(XXH3_128bits(bytes.data(), bytes.size()));
}

// Of bytes that come in parts.
class Hash128 {
 public:
  Hash128() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }
  void update(std::span<const std::byte> bytes) {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }
  // Of everything since the start or the last call.
  Digest128 digest() {
    const Digest128 result = canonical_digest(XXH3_128bits_digest(state_.get()));
    XXH3_128bits_reset(state_.get());
    return result;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace narrow
