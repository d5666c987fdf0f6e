#pragma once
// What llama.cpp says while it works. It writes to no stream of ours: its warnings and errors are kept here, for
// the text of an Error. Does not know what is being done.

#include <string>

namespace fakequant {

// Keeps llama.cpp's warnings and errors for as long as it lives; without one they are dropped. llama.cpp has one
// log for the whole process: those that live at the same time, in several threads, share what is kept.
class LlamaLog {
 public:
  LlamaLog();
  ~LlamaLog();
  LlamaLog(const LlamaLog&) = delete;
  LlamaLog& operator=(const LlamaLog&) = delete;

  // The last few errors (or warnings where there was no error) in one line, the latest last; "" for none.
  std::string problems() const;
};

// Makes the text of what went wrong: "PLACE: WHAT: the problems of `log`".
std::string llama_failure(const std::string& place, const std::string& what, const LlamaLog& log);

// Starts llama.cpp once: from then on its log is ours, and a failed assertion in it ends the process with one
// sentence and exit code 1 instead of a backtrace and a core dump.
void start_llama();

}  // namespace fakequant
