#pragma once
// Errors: what a user can be told, and checks for our own bugs. Knows nothing of files, tensors or commands.

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace fakequant {

// Something outside is wrong: a file, a flag, a model, the disk. The text is one sentence that names the
// thing, the place, what was found and what was wanted. `main` prints it and exits with code 1.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> text, Args&&... args)
      : std::runtime_error(fmt::format(text, std::forward<Args>(args)...)) {}
};

// The command line is wrong. `main` prints it with a pointer to --help and exits with code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace fakequant

// Our own bug if `condition` is false: aborts in every build.
#define FQ_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::fakequant::check_failed(#condition, __FILE__, __LINE__))
