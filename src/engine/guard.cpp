#include "engine/guard.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>

#include "base/message.h"
#include "base/text.h"
#include "gguf/pending_file.h"

namespace fakequant {

namespace {

constexpr int kNone = -1;
constexpr size_t kMostText = 500;
constexpr size_t kStackBytes = size_t{64} << 10;

struct CrashSignal {
  int number;
  const char* meaning;
};

constexpr CrashSignal kSignals[] = {{SIGSEGV, "it touched memory that is not there"},
                                    {SIGBUS, "it touched memory that is not there, or a disk failed"},
                                    {SIGFPE, "it divided by zero"},
                                    {SIGILL, "it has an instruction that this processor does not know"},
                                    {SIGABRT, "it gave up"}};

// Where a handler finds what to say. Never freed and without locks: whatever a handler reads is there.
struct Slot {
  enum State { unused, being_filled, filled };
  std::atomic<State> state{unused};
  char place[kMostText + 1];
  char work[kMostText + 1];
};

std::array<Slot, 256> slots;
thread_local int innermost = kNone;
thread_local bool is_ending = false;
std::atomic_flag ending = ATOMIC_FLAG_INIT;

// What the first living guard has replaced.
std::mutex installation;
int living = 0;
std::array<struct sigaction, std::size(kSignals)> before;
std::terminate_handler terminate_before = nullptr;

// A sentence put together without memory of its own: in a handler, nothing else is allowed.
class Sentence {
 public:
  void add(std::string_view text) {
    size_t length = std::min(text.size(), sizeof(text_) - length_);
    std::memcpy(text_ + length_, text.data(), length);
    length_ += length;
  }
  void write_to(int descriptor) const {
    [[maybe_unused]] ssize_t written = write(descriptor, text_, length_);
  }

 private:
  char text_[5 * kMostText];  // place, work, a reason of two, and our words
  size_t length_ = 0;
};

const Slot* slot_to_name() {
  if (innermost != kNone) return &slots[static_cast<size_t>(innermost)];
  for (const Slot& slot : slots) {
    if (slot.state == Slot::filled) return &slot;
  }
  return nullptr;
}

// Only what a signal handler may do.
[[noreturn]] void end_process(std::string_view reason) noexcept {
  // It crashed again while it ended.
  if (is_ending) _exit(1);
  is_ending = true;
  // Another thread is at it: its sentence is enough.
  while (ending.test_and_set()) pause();
  remove_pending_files();
  clear_line();
  Sentence sentence;
  sentence.add("fakequant: ");
  const Slot* slot = slot_to_name();
  if (slot != nullptr) {
    sentence.add(slot->place);
    sentence.add(": ");
  }
  sentence.add("llama.cpp crashed");
  if (slot != nullptr) {
    sentence.add(" while ");
    sentence.add(slot->work);
  }
  sentence.add(": ");
  sentence.add(reason.substr(0, 2 * kMostText));
  sentence.add("\n");
  sentence.write_to(STDERR_FILENO);
  _exit(1);
}

extern "C" void on_crash(int number) {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    if (kSignals[i].number != number) continue;
    if (number == SIGABRT && innermost == kNone) {
      // A failed check of ours, in a thread that does something else: as if there were no guard.
      sigaction(SIGABRT, &before[i], nullptr);
      raise(SIGABRT);  // comes when this handler has returned
      return;
    }
    end_process(kSignals[i].meaning);
  }
}

// An exception that nobody catches: in a thread that llama.cpp started, or out of a destructor.
[[noreturn]] void on_terminate() {
  try {
    if (std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    end_as_crash("not enough memory");
  } catch (const std::exception& error) {
    end_as_crash(error.what());
  } catch (...) {
    end_as_crash("it threw something");
  }
  end_as_crash("it gave up");
}

void install() {
  std::lock_guard lock(installation);
  if (living++ > 0) return;
  struct sigaction action {};
  action.sa_handler = on_crash;
  action.sa_flags = SA_ONSTACK;
  sigfillset(&action.sa_mask);  // a crash in the handler itself: the kernel ends the process
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i].number, &action, &before[i]);
  terminate_before = std::set_terminate(on_terminate);
}

void uninstall() {
  std::lock_guard lock(installation);
  if (--living > 0) return;
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i].number, &before[i], nullptr);
  std::set_terminate(terminate_before);
}

// A stack for handlers, for as long as its thread lives. One that is there already stays (a sanitizer's).
class HandlerStack {
 public:
  HandlerStack() {
    stack_t present{};
    if (sigaltstack(nullptr, &present) == 0 && (present.ss_flags & SS_DISABLE) == 0) return;
    memory_ = std::make_unique<std::byte[]>(kStackBytes);
    stack_t stack{};
    stack.ss_sp = memory_.get();
    stack.ss_size = kStackBytes;
    sigaltstack(&stack, nullptr);
  }
  ~HandlerStack() {
    if (memory_ == nullptr) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
  HandlerStack(const HandlerStack&) = delete;
  HandlerStack& operator=(const HandlerStack&) = delete;

 private:
  std::unique_ptr<std::byte[]> memory_;
};

void copy_text(const std::string& text, char (&target)[kMostText + 1]) {
  std::string shown = printable(text);
  target[shown.copy(target, kMostText)] = '\0';
}

int take_slot(const std::string& place, const std::string& work) {
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot::State expected = Slot::unused;
    if (!slots[i].state.compare_exchange_strong(expected, Slot::being_filled)) continue;
    copy_text(place, slots[i].place);
    copy_text(work, slots[i].work);
    slots[i].state = Slot::filled;
    return static_cast<int>(i);
  }
  return kNone;
}

}  // namespace

CrashGuard::CrashGuard(const std::string& place, const std::string& work) : outer_(innermost) {
  thread_local HandlerStack stack;
  slot_ = take_slot(place, work);
  if (slot_ != kNone) innermost = slot_;
  install();
}

CrashGuard::~CrashGuard() {
  uninstall();
  innermost = outer_;
  if (slot_ != kNone) slots[static_cast<size_t>(slot_)].state = Slot::unused;
}

void end_as_crash(const char* reason) noexcept {
  end_process(reason);
}

}  // namespace fakequant
