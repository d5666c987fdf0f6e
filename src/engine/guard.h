#pragma once
// A crash inside llama.cpp ends the process with one sentence and exit code 1. Knows no models: only whose fault
// to name.

#include <exception>
#include <string>

namespace fakequant {

// As long as one lives, a signal of a crash (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) and std::terminate remove
// pending files, write "fakequant: PLACE: llama.cpp crashed while WORK ..." and end the process with exit code 1: no
// core dump, no trace, no code that could rely on what is broken. Make one for a call of llama.cpp and no longer: an
// abort() in a thread that has none is our own bug and keeps its meaning (ggml's failed assertions are caught in any
// thread: they call end_as_crash). Other signals in any thread are taken for llama.cpp's.
//
// May live in several threads at once, and one inside another: each thread names its innermost, threads that
// llama.cpp started name any. The last one gone puts back what handled signals and termination before. Beyond 256 at
// the same time the sentence has no place. A thread gets a stack of 64 KiB for handlers when it makes its first
// guard, so that an endless recursion in it is caught too; those of llama.cpp's threads are not.
class CrashGuard {
 public:
  // "model.gguf", "loading it": only the first 500 bytes of each are kept.
  CrashGuard(const std::string& place, const std::string& work);
  ~CrashGuard();
  CrashGuard(const CrashGuard&) = delete;
  CrashGuard& operator=(const CrashGuard&) = delete;

 private:
  int slot_;   // of the table of living guards; -1: none was free
  int outer_;  // of the guard that was the innermost of this thread before
};

// Ends the process like a crash, for ggml's failed assertions. `reason` becomes part of the sentence.
[[noreturn]] void end_as_crash(const char* reason) noexcept;

}  // namespace fakequant
