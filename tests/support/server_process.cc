#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/support/wire.h"

namespace larder::test {

namespace {

constexpr int kPortTries = 5;
constexpr std::chrono::seconds kReadyWithin{20};
constexpr std::chrono::seconds kStopWithin{30};
constexpr std::chrono::milliseconds kPollEvery{10};
constexpr std::size_t kLogTailBytes = 20'000;

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = ::bind(socket, generic, sizeof address) == 0 &&
                     ::getsockname(socket, generic, &size) == 0;
  ::close(socket);
  if (!bound) throw std::runtime_error("no free loopback port");
  return ntohs(address.sin_port);
}

std::string new_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "larder-wire-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
  return name;
}

std::vector<std::string> command_line(Flavor flavor, const std::string& binary, std::uint16_t port,
                                      const std::vector<std::string>& flags) {
  std::vector<std::string> words{binary, "--port", std::to_string(port), "--bind", "127.0.0.1"};
  // Neither server may leave files behind; Larder gets two loops so that connections live on
  // different threads.
  const std::vector<std::string> own =
      flavor == Flavor::redis
          ? std::vector<std::string>{"--save", "", "--appendonly", "no", "--enable-debug-command",
                                     "yes"}
          : std::vector<std::string>{"--threads", "2"};
  words.insert(words.end(), own.begin(), own.end());
  words.insert(words.end(), flags.begin(), flags.end());
  return words;
}

[[noreturn]] void become(const std::vector<std::string>& command, const std::string& directory) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a crashed runner leaves no server behind
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int log = ::open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  if (::chdir(directory.c_str()) == 0) ::execvp(words[0], words.data());
  ::_exit(127);
}

}  // namespace

ServerProcess::ServerProcess(Flavor flavor, const std::string& binary,
                             const std::vector<std::string>& flags)
    : directory_(new_directory()) {
  // The server runs in its own directory: a path with a slash must stay what the caller meant.
  const bool is_path = binary.find('/') != std::string::npos;
  const std::string program = is_path ? std::filesystem::absolute(binary).string() : binary;
  for (int i = 0; i < kPortTries; ++i) {
    status_ = 0;
    port_ = free_port();
    if (start(command_line(flavor, program, port_, flags))) return;
    stop();
  }
  std::filesystem::remove_all(directory_);
  throw std::runtime_error(binary + " did not become ready");
}

ServerProcess::~ServerProcess() {
  stop();
  if (status_ != 0) give_up();
  std::filesystem::remove_all(directory_);
}

// It crashed, a sanitizer ended it, or it did not stop when asked to: no test that used it counts.
void ServerProcess::give_up() const {
  std::ifstream log(directory_ + "/log");
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  std::fprintf(stderr, "the server ended with wait status %d; the end of its log:\n%s\n", status_,
               text.substr(text.size() - std::min(text.size(), kLogTailBytes)).c_str());
  std::filesystem::remove_all(directory_);
  std::_Exit(3);
}

bool ServerProcess::start(const std::vector<std::string>& command) {
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("cannot fork");
  if (process_ == 0) become(command, directory_);
  return wait_until_ready();
}

bool ServerProcess::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + kReadyWithin;
  while (running() && std::chrono::steady_clock::now() < deadline) {
    try {
      WireClient client(port_);
      if (!client.ask({"PING"}).empty() && running()) return true;
    } catch (const std::runtime_error&) {
      // not listening yet
    }
    std::this_thread::sleep_for(kPollEvery);
  }
  return false;
}

bool ServerProcess::running() {
  if (process_ <= 0) return false;
  if (::waitpid(process_, &status_, WNOHANG) == 0) return true;
  process_ = -1;
  return false;
}

void ServerProcess::stop() {
  if (process_ <= 0) return;
  ::kill(process_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + kStopWithin;
  while (running() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPollEvery);
  }
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, &status_, 0);
  process_ = -1;
}

}  // namespace larder::test
