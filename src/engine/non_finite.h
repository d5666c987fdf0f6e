#pragma once
// The error of a model that computes NaN or Inf. Knows no measures.

#include "base/error.h"

namespace fakequant {

class NonFiniteError : public Error {
 public:
  using Error::Error;
};

}  // namespace fakequant
