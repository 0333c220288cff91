#include "nn/training/kernels/row_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/training/kernels/row_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "base/for_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::training_kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using narrow::HWY_NAMESPACE::ForVectors;

// Rows that are taken together, so that what is one value a channel is loaded once for them.
constexpr std::size_t kRowsTogether = 4;
constexpr float kGreatest = 6;  // of kRelu6

template <std::size_t kRows>
void AddMomentsOfRows(const float* x, std::size_t channels, const float* shift, float* sum,
                      float* square) {
  ForVectors(channels, [&](auto d, std::size_t c) HWY_ATTR {
    const auto origin = hn::LoadU(d, shift + c);
    auto s = hn::LoadU(d, sum + c);
    auto q = hn::LoadU(d, square + c);
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto difference = hn::Sub(hn::LoadU(d, x + r * channels + c), origin);
      s = hn::Add(s, difference);
      q = hn::MulAdd(difference, difference, q);
    }
    hn::StoreU(s, d, sum + c);
    hn::StoreU(q, d, square + c);
  });
}

void AddMoments(const float* x, std::size_t rows, std::size_t channels, const float* shift,
                float* sum, float* square) {
  std::size_t r = 0;
  for (; r + kRowsTogether <= rows; r += kRowsTogether) {
    AddMomentsOfRows<kRowsTogether>(x + r * channels, channels, shift, sum, square);
  }
  for (; r < rows; ++r) AddMomentsOfRows<1>(x + r * channels, channels, shift, sum, square);
}

template <class D>
HWY_INLINE hn::Vec<D> Apply(D d, const Affine& affine, std::size_t c, hn::Vec<D> x) {
  return hn::MulAdd(hn::Sub(x, hn::LoadU(d, affine.mean + c)), hn::LoadU(d, affine.scale + c),
                    hn::LoadU(d, affine.beta + c));
}

// The gradient where the activation let the value through.
template <bool kRelu6, class D>
HWY_INLINE hn::Vec<D> Masked(D d, hn::Vec<D> value, hn::Vec<D> gradient) {
  auto passed = hn::Gt(value, hn::Zero(d));
  if constexpr (kRelu6) passed = hn::And(passed, hn::Lt(value, hn::Set(d, kGreatest)));
  return hn::IfThenElseZero(passed, gradient);
}

enum class Addend { kNone, kPlain, kAffine };

template <Addend kAddend, Activation kActivation>
void NormalizeRows(const NormalizeArguments& a) {
  for (std::size_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.channels;
    const float* addend = kAddend == Addend::kNone ? nullptr : a.addend + r * a.addend_step;
    float* y = a.y + r * a.channels;
    ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
      auto value = Apply(d, a.affine, c, hn::LoadU(d, x + c));
      if constexpr (kAddend != Addend::kNone) {
        auto added = hn::LoadU(d, addend + c);
        if constexpr (kAddend == Addend::kAffine) added = Apply(d, a.addend_affine, c, added);
        value = hn::Add(value, added);
      }
      // Not Max: NaN stays NaN, a broken network must not look sound.
      if constexpr (kActivation != Activation::kNone) {
        value = hn::IfThenZeroElse(hn::Lt(value, hn::Zero(d)), value);
      }
      if constexpr (kActivation == Activation::kRelu6) {
        const auto six = hn::Set(d, kGreatest);
        value = hn::IfThenElse(hn::Gt(value, six), six, value);
      }
      hn::StoreU(value, d, y + c);
    });
  }
}

template <Addend kAddend>
void NormalizeWith(const NormalizeArguments& arguments) {
  switch (arguments.activation) {
    case Activation::kNone:
      return NormalizeRows<kAddend, Activation::kNone>(arguments);
    case Activation::kRelu:
      return NormalizeRows<kAddend, Activation::kRelu>(arguments);
    case Activation::kRelu6:
      return NormalizeRows<kAddend, Activation::kRelu6>(arguments);
  }
}

void Normalize(const NormalizeArguments& arguments) {
  if (arguments.addend == nullptr) {
    NormalizeWith<Addend::kNone>(arguments);
  } else if (arguments.addend_affine.mean == nullptr) {
    NormalizeWith<Addend::kPlain>(arguments);
  } else {
    NormalizeWith<Addend::kAffine>(arguments);
  }
}

template <ActivationMask kMask, bool kRelu6, std::size_t kRows>
void AddGradientSumsOfRows(const NormGradientArguments& a, std::size_t row, float* sum,
                           float* product) {
  const std::size_t first = row * a.channels;
  ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
    auto s = hn::LoadU(d, sum + c);
    auto p = hn::LoadU(d, product + c);
    const auto mean = hn::LoadU(d, a.affine.mean + c);
    for (std::size_t r = 0; r < kRows; ++r) {
      const std::size_t i = first + r * a.channels + c;
      const auto x = hn::LoadU(d, a.x + i);
      auto g = hn::LoadU(d, a.gradient + i);
      if constexpr (kMask == ActivationMask::kInput) {
        g = Masked<kRelu6>(d, Apply(d, a.affine, c, x), g);
      }
      if constexpr (kMask == ActivationMask::kOutput) {
        g = Masked<kRelu6>(d, hn::LoadU(d, a.y + i), g);
        hn::StoreU(g, d, a.gradient + i);
      }
      s = hn::Add(s, g);
      p = hn::MulAdd(g, hn::Sub(x, mean), p);
    }
    hn::StoreU(s, d, sum + c);
    hn::StoreU(p, d, product + c);
  });
}

template <ActivationMask kMask, bool kRelu6>
void AddGradientSums(const NormGradientArguments& arguments, float* sum, float* product) {
  std::size_t r = 0;
  for (; r + kRowsTogether <= arguments.rows; r += kRowsTogether) {
    AddGradientSumsOfRows<kMask, kRelu6, kRowsTogether>(arguments, r, sum, product);
  }
  for (; r < arguments.rows; ++r) {
    AddGradientSumsOfRows<kMask, kRelu6, 1>(arguments, r, sum, product);
  }
}

void AddNormGradientSums(const NormGradientArguments& arguments, float* sum, float* product) {
  switch (arguments.mask) {
    case ActivationMask::kNone:
      return AddGradientSums<ActivationMask::kNone, false>(arguments, sum, product);
    case ActivationMask::kInput:
      return arguments.is_relu6
                 ? AddGradientSums<ActivationMask::kInput, true>(arguments, sum, product)
                 : AddGradientSums<ActivationMask::kInput, false>(arguments, sum, product);
    case ActivationMask::kOutput:
      return arguments.is_relu6
                 ? AddGradientSums<ActivationMask::kOutput, true>(arguments, sum, product)
                 : AddGradientSums<ActivationMask::kOutput, false>(arguments, sum, product);
  }
}

enum class InputMask { kNone, kRelu, kRelu6 };

template <InputMask kMask, bool kBatch>
void ApplyGradient(const NormGradientArguments& a, const NormGradientFactors& factors,
                   float* result) {
  for (std::size_t r = 0; r < a.rows; ++r) {
    const std::size_t first = r * a.channels;
    ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
      const std::size_t i = first + c;
      auto g = hn::LoadU(d, a.gradient + i);
      if constexpr (kMask != InputMask::kNone) {
        const auto y = Apply(d, a.affine, c, hn::LoadU(d, a.x + i));
        g = Masked<kMask == InputMask::kRelu6>(d, y, g);
      }
      const auto scale = hn::LoadU(d, factors.a + c);
      if constexpr (kBatch) {
        const auto deviation = hn::Sub(hn::LoadU(d, a.x + i), hn::LoadU(d, a.affine.mean + c));
        const auto shift =
            hn::MulAdd(deviation, hn::LoadU(d, factors.b + c), hn::LoadU(d, factors.c + c));
        g = hn::MulAdd(g, scale, shift);
      } else {
        g = hn::Mul(g, scale);
      }
      hn::StoreU(g, d, result + i);
    });
  }
}

template <InputMask kMask>
void ApplyMaskedGradient(const NormGradientArguments& arguments, const NormGradientFactors& factors,
                         float* result) {
  if (factors.b != nullptr) {
    ApplyGradient<kMask, true>(arguments, factors, result);
  } else {
    ApplyGradient<kMask, false>(arguments, factors, result);
  }
}

void ApplyNormGradient(const NormGradientArguments& arguments, const NormGradientFactors& factors,
                       float* result) {
  if (arguments.mask != ActivationMask::kInput) {
    ApplyMaskedGradient<InputMask::kNone>(arguments, factors, result);
  } else if (arguments.is_relu6) {
    ApplyMaskedGradient<InputMask::kRelu6>(arguments, factors, result);
  } else {
    ApplyMaskedGradient<InputMask::kRelu>(arguments, factors, result);
  }
}

// Squares are added in float over a piece, whose sum is added in double.
double AddWeightDecay(const float* values, std::size_t count, float decay, float* gradients) {
  constexpr std::size_t kPiece = 1024;
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  double total = 0;
  for (std::size_t first = 0; first < count; first += kPiece) {
    const std::size_t last = HWY_MIN(first + kPiece, count);
    auto squares = hn::Zero(d);
    std::size_t i = first;
    for (; i + lanes <= last; i += lanes) {
      const auto w = hn::LoadU(d, values + i);
      squares = hn::MulAdd(w, w, squares);
      if (gradients == nullptr) continue;
      hn::StoreU(hn::MulAdd(w, hn::Set(d, decay), hn::LoadU(d, gradients + i)), d, gradients + i);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, squares));
    for (; i < last; ++i) {
      sum += values[i] * values[i];
      if (gradients != nullptr) gradients[i] += values[i] * decay;
    }
    total += static_cast<double>(sum);
  }
  return total;
}

const RowKernels* Kernels() {
  static constexpr RowKernels kKernels = {AddMoments, Normalize, AddNormGradientSums,
                                          ApplyNormGradient, AddWeightDecay};
  return &kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::training_kernels {
namespace {

HWY_EXPORT(Kernels);

}  // namespace

const RowKernels& row_kernels() { return *HWY_DYNAMIC_DISPATCH(Kernels)(); }

}  // namespace narrow::training_kernels
#endif
