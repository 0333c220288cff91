#include "nn/training/convolutions/matrix_product.h"

#include <oneapi/dnnl/dnnl.hpp>

namespace narrow {

void multiply(std::int64_t rows, std::int64_t columns, std::int64_t inner, const Factor& a,
              const Factor& b, const Product& product) {
  dnnl::error::wrap_c_api(dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', rows,
                                     columns, inner, 1.0F, a.values, a.step, b.values, b.step,
                                     product.add ? 1.0F : 0.0F, product.values, product.step),
                          "cannot multiply matrices");
}

}  // namespace narrow
