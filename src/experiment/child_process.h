#pragma once
// A program that runs beside this one and speaks with it in lines over one socket. Knows nothing of what the lines say.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

// Where the child finds its end of the socket.
inline constexpr int kChildSocket = 3;

// It dies with the thread that started it, also where that is killed; Ctrl-C of the terminal does not reach it. Its standard input is
// empty, its standard output is dropped, the end of its standard error is kept.
class ChildProcess {
 public:
  using Clock = std::chrono::steady_clock;

  // Runs the program `arguments[0]`, a path. Throws Error when the system gives no process.
  explicit ChildProcess(const std::vector<std::string>& arguments);
  ~ChildProcess();  // kills it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t id() const { return id_; }

  // Sends a line, which holds no line end, as soon as the child takes it: while receive() waits. Of a child that ended it is lost.
  void send(std::string_view line);

  enum class Event {
    line,   // there is one
    ended,  // the child has ended, or has closed the socket and was killed: ending() says how
    late,   // `until` is over
    woken,  // `wake` can be read
  };
  // Waits for the next line. What the child sent before it ended comes first; a line without its end is dropped.
  //
  //   until  when to give up; nothing: never
  //   wake   a descriptor that ends the wait as soon as it can be read; -1 for none
  //   throws Error for a line of more than 1 GiB
  Event receive(std::string& line, std::optional<Clock::time_point> until, int wake);

  // Ends it at once, whatever it does, and waits until it is gone.
  void kill();

  // How it ended, as the predicate of a sentence: "ended with exit code 1", "was killed (SIGKILL)".
  const std::string& ending() const { return ending_; }
  // The last line that it wrote to standard error, at most 4 KiB; "" for none.
  std::string last_words() const;

 private:
  bool take_line(std::string& line);
  void flush();
  void read_socket();
  void read_errors();
  void finish();

  pid_t id_ = -1;
  int socket_ = -1;
  int errors_ = -1;
  std::string unsent_;
  std::string received_;
  size_t searched_ = 0;  // of received_, without a line end
  std::string error_tail_;
  std::string ending_;
};

}  // namespace fakequant
