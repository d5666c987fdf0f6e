#include "experiment/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

// Less than a journal takes: what is received can be recorded.
constexpr size_t kMostLineBytes = (size_t{1} << 28) - (size_t{1} << 20);
constexpr size_t kMostErrorBytes = 4096;
// How long a child that closed its socket may take to end before it is killed.
constexpr auto kFarewell = std::chrono::seconds(2);

// Descriptors that would land on the numbers that the child gets are moved away from them.
int above_child_numbers(int descriptor) {
  int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, kChildSocket + 1);
  close(descriptor);
  if (moved < 0) throw Error("a process for measuring: {}", std::strerror(errno));
  return moved;
}

// In the child, between fork and exec: only what a signal handler may do.
[[noreturn]] void become(char* const* arguments, int socket, int errors, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it was gone before
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ready = nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
               dup2(errors, STDERR_FILENO) >= 0 && dup2(socket, kChildSocket) >= 0;
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  // What a terminal sends to all is the parent's to answer; but Ctrl-Z stops both.
  for (int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (ready) execv(arguments[0], arguments);
  static constexpr char kProblem[] = "it could not be started\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kProblem, sizeof(kProblem) - 1);
  _exit(127);
}

std::string description_of(int status) {
  if (WIFEXITED(status)) return fmt::format("ended with exit code {}", WEXITSTATUS(status));
  int number = WTERMSIG(status);
  const char* name = sigabbrev_np(number);
  return fmt::format("was killed (SIG{})", name != nullptr ? name : std::to_string(number));
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = arguments;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int sockets[2];
  int pipes[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    throw Error("a process for measuring: {}", std::strerror(errno));
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    close(sockets[0]);
    close(sockets[1]);
    throw Error("a process for measuring: {}", std::strerror(errno));
  }
  socket_ = above_child_numbers(sockets[0]);
  errors_ = above_child_numbers(pipes[0]);
  int child_socket = above_child_numbers(sockets[1]);
  int child_errors = above_child_numbers(pipes[1]);
  fcntl(socket_, F_SETFL, O_NONBLOCK);
  fcntl(errors_, F_SETFL, O_NONBLOCK);
  pid_t parent = getpid();
  // A signal in the child must not run this program's handlers.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  id_ = fork();
  if (id_ == 0) become(pointers.data(), child_socket, child_errors, parent);
  int problem = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(child_socket);
  close(child_errors);
  if (id_ > 0) return;
  close(socket_);
  close(errors_);
  throw Error("a process for measuring: {}", std::strerror(problem));
}

ChildProcess::~ChildProcess() {
  kill();
}

void ChildProcess::send(std::string_view line) {
  FQ_CHECK(line.find('\n') == std::string_view::npos);
  unsent_ += line;
  unsent_ += '\n';
}

void ChildProcess::flush() {
  ssize_t sent = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) unsent_.erase(0, static_cast<size_t>(sent));
  if (sent < 0 && errno != EAGAIN && errno != EINTR) unsent_.clear();  // it reads no more
}

bool ChildProcess::take_line(std::string& line) {
  size_t end = received_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = received_.size();
    if (received_.size() > kMostLineBytes)
      throw Error(
          "the process that measures: found an answer of more than 255 MiB, wanted one that a journal takes");
    return false;
  }
  line.assign(received_, 0, end);
  received_.erase(0, end + 1);
  searched_ = 0;
  return true;
}

void ChildProcess::read_socket() {
  char buffer[1 << 16];
  ssize_t count = recv(socket_, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (count > 0) {
    received_.append(buffer, static_cast<size_t>(count));
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    finish();
  }
}

void ChildProcess::read_errors() {
  char buffer[1 << 12];
  ssize_t count;
  while ((count = read(errors_, buffer, sizeof(buffer))) > 0) {
    error_tail_.append(buffer, static_cast<size_t>(count));
    if (error_tail_.size() > 2 * kMostErrorBytes) error_tail_.erase(0, error_tail_.size() - kMostErrorBytes);
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  close(errors_);
  errors_ = -1;
}

// The socket is at its end: the child is about to be gone, or is made so.
void ChildProcess::finish() {
  close(socket_);
  socket_ = -1;
  Clock::time_point until = Clock::now() + kFarewell;
  int status = 0;
  pid_t found = 0;
  while ((found = waitpid(id_, &status, WNOHANG)) == 0 && Clock::now() < until) {
    if (errors_ >= 0) read_errors();
    poll(nullptr, 0, 5);
  }
  if (found == 0) {
    ::kill(id_, SIGKILL);
    waitpid(id_, &status, 0);
  }
  id_ = -1;
  if (errors_ >= 0) read_errors();
  if (errors_ >= 0) close(errors_);
  errors_ = -1;
  ending_ = description_of(status);
}

void ChildProcess::kill() {
  if (id_ < 0) return;
  ::kill(id_, SIGKILL);
  finish();
}

ChildProcess::Event ChildProcess::receive(std::string& line, std::optional<Clock::time_point> until,
                                          int wake) {
  while (true) {
    if (take_line(line)) return Event::line;
    if (id_ < 0) return Event::ended;
    int milliseconds = -1;
    if (until) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
      if (left <= 0) return Event::late;
      milliseconds = static_cast<int>(std::min<long>(left, 1'000'000));
    }
    short wanted = static_cast<short>(POLLIN | (unsent_.empty() ? 0 : POLLOUT));
    pollfd places[] = {{socket_, wanted, 0}, {errors_, POLLIN, 0}, {wake, POLLIN, 0}};
    if (poll(places, 3, milliseconds) < 0 && errno != EINTR)
      throw Error("the process that measures: {}", std::strerror(errno));
    if (places[1].revents != 0) read_errors();
    if ((places[0].revents & POLLOUT) != 0) flush();
    if ((places[0].revents & ~POLLOUT) != 0) read_socket();
    if (places[2].revents != 0) return take_line(line) ? Event::line : Event::woken;
  }
}

std::string ChildProcess::last_words() const {
  std::string_view text = trim(error_tail_);
  size_t end = text.rfind('\n');
  if (end != std::string_view::npos) text.remove_prefix(end + 1);
  if (text.size() > kMostErrorBytes) text.remove_prefix(text.size() - kMostErrorBytes);
  return std::string(trim(text));
}

}  // namespace fakequant
