#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace fakequant {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "fakequant: internal error: %s is false at %s:%d; please report this\n", condition,
               file, line);
  std::abort();
}

}  // namespace fakequant
