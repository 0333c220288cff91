// From a checkpoint to codes and parameters, in bounded memory: what packing and verifying share.
#pragma once

#include <functional>
#include <vector>

#include "narrow/packed_checkpoint.h"
#include "packed/content_digest.h"
#include "stream/quantize_pieces.h"

namespace narrow {

// Gets every piece of every tensor in order, encoded. Copied tensors have their bytes, string
// tensors their stored bytes (string_bytes).
using PackedPieceSink = std::function<void(QuantizePiece& piece)>;

// Gets the digest of a tensor of the plan after its last piece.
using TakeTensorDigest = std::function<void(std::size_t plan_index, const Digest128& digest)>;

// Throws Error as PieceSource does; under kKeep a tensor with NaN or infinite values comes as
// bytes.
void run_pack_pipeline(const CheckpointReader& reader, const QuantizePlan& plan,
                       NonFinitePolicy non_finite, int threads, const PackedPieceSink& sink,
                       const TakeTensorDigest& take_digest, Observer* observer);

// What packing the plan gives, sizes and blocks included; the file's own fields are left open.
// Under kKeep, tensors with NaN or infinite values are found, by the ranks together, and left
// unchanged.
// Throws Error: kUsage for an invalid scheme; kUnsupported for a checkpoint that is packed already;
// kNumeric never; what the reader throws.
PackedContents planned_contents(const CheckpointReader& reader, const QuantizePlan& plan,
                                NonFinitePolicy non_finite);

}  // namespace narrow
