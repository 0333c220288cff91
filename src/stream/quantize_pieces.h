// A checkpoint on its way through a quantization, piece by piece: the stages that commands which
// keep restored values and commands which keep codes share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash128.h"
#include "base/item_pool.h"
#include "base/raw_bytes.h"
#include "narrow/quantize_plan.h"
#include "quant/tensor_quantizer.h"
#include "stream/tensor_passes.h"

namespace narrow {

// One piece of one tensor.
struct QuantizePiece {
  std::size_t plan_index = 0;
  std::shared_ptr<const TensorQuantizer> quantizer;  // null: the bytes are copied
  std::uint64_t first_element = 0;
  RawBytes bytes;
  std::vector<std::string> strings;
  bool last = false;
  // What the second stage made of it: one or the other.
  ErrorSums errors;  // with restored values in place of `bytes`
  CodeCounts codes;
  std::vector<std::byte> packed;  // see TensorQuantizer::encode; of the errors what overflowed
  std::vector<BlockParams> params;
  std::vector<Digest128> leaves;  // of `bytes`: see leaf_digests

  // 0 for strings.
  [[nodiscard]] std::uint64_t elements(DType dtype) const {
    return dtype == DType::kString ? 0 : bytes.size() / element_size(dtype);
  }
};

// How many pieces may be under way at once, for so many threads: few, for pieces that grow on their
// way, or with work for the threads while PieceSource reads a tensor.
std::size_t pieces_in_flight(int threads);
std::size_t pieces_in_flight_ahead(int threads);

// First stage: cuts the tensors of the plan into pieces, after a pass over each tensor that is to
// be quantized which finds its ranges. Only large tensors are read again after that pass. While
// pieces are passed on, the pass over the next tensor goes on, or over the next large one. Fills in
// what is known of a tensor then: of `results`, in the order of the plan, everything but the
// errors.
class PieceSource {
 public:
  // `reported_blocks`: of so many blocks of a tensor the parameters are in its result.
  PieceSource(const CheckpointReader& reader, const QuantizePlan& plan, NonFinitePolicy non_finite,
              std::uint64_t reported_blocks, ItemPool<QuantizePiece>& pool,
              std::vector<TensorResult>& results)
      : reader_(reader),
        plan_(plan),
        non_finite_(non_finite),
        reported_blocks_(reported_blocks),
        pool_(pool),
        results_(results) {}

  // The next piece, from the pool, or null after the last. Throws Error(kNumeric) for values that
  // cannot be quantized and must not be kept, and what the reader throws.
  QuantizePiece* next();

 private:
  QuantizePiece* begin_tensor();
  [[nodiscard]] Scheme scheme_of(std::size_t plan_index) const;
  [[nodiscard]] bool is_kept(std::size_t plan_index) const;
  [[nodiscard]] std::unique_ptr<TensorScan> new_scan(std::size_t plan_index) const;
  // The first pass over a tensor whose pieces are kept.
  struct KeptScan {
    std::size_t plan_index;
    TensorQuantizer quantizer;
    std::unique_ptr<TensorStream> stream;
    std::uint64_t bytes_left;
    std::deque<QuantizePiece*> pieces;
  };

  void scan_tensor();
  [[nodiscard]] KeptScan new_kept_scan(std::size_t plan_index) const;
  void step(KeptScan& scan);
  TensorQuantizer scan_kept();
  TensorQuantizer scan_large();
  void look_ahead();
  QuantizePiece* next_of_stream();
  QuantizePiece* next_of_kept();
  QuantizePiece* passed_on(QuantizePiece* piece);
  QuantizePiece* finished_piece();
  QuantizePiece* finish(QuantizePiece* piece);
  void label(QuantizePiece* piece, bool last) const;

  const CheckpointReader& reader_;
  const QuantizePlan& plan_;
  NonFinitePolicy non_finite_;
  std::uint64_t reported_blocks_;
  ItemPool<QuantizePiece>& pool_;
  std::vector<TensorResult>& results_;
  std::size_t plan_index_ = 0;
  std::deque<QuantizePiece*> kept_;     // the pieces of the tensor that were read and not passed on
  std::optional<KeptScan> kept_ahead_;  // of the tensor after that
  std::unique_ptr<TensorStream> stream_;
  std::unique_ptr<TensorScan> ahead_;  // of tensor next_large_ of the plan, which is not kept
  std::size_t next_large_ = 0;         // found once, however many tensors come before it
  std::shared_ptr<const TensorQuantizer> quantizer_;
  std::uint64_t element_bytes_ = 1;
  std::uint64_t piece_bytes_ = 0;
  std::uint64_t bytes_left_ = 0;
  std::uint64_t first_element_ = 0;
};

}  // namespace narrow
