// Supervisor: tells who started the server (systemd, Type=notify) that it is ready, that it ends,
// and, as long as its loops turn, that it is alive.
//
// The protocol is one datagram a message, "READY=1", to the unix socket that $NOTIFY_SOCKET names
// ('@' for one without a place in the file system); no library is needed for that. With
// $WATCHDOG_USEC a thread of its own asks every loop for a sign of life four times in that time and
// says WATCHDOG=1 when all have given one since it last asked; a server that hangs is so ended and
// started again. A script that runs long gives signs too (`beat`): it is the operator's to kill.
//
// Thread: made, started and ended on the main thread; beat() and sign() from any.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace larder::server {

class Supervisor {
 public:
  // Somebody is told when `wanted` is "systemd" or "auto" and he asks for it.
  explicit Supervisor(std::string_view wanted);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  bool is_told() const { return !socket_.empty(); }
  // `ask(i)` has loop i call sign(i), soon, on its own thread.
  void ready(std::size_t loops, std::function<void(std::size_t)> ask);
  void sign(std::size_t loop);
  void beat() { beats_.fetch_add(1, std::memory_order_relaxed); }
  // The server begins to end; from now on it is alive whatever loops do.
  void stopping();

 private:
  void watch(std::chrono::microseconds pause, const std::function<void(std::size_t)>& ask);
  bool all_signed();
  void tell(const std::string& message) const;

  std::string socket_;
  std::chrono::microseconds deadline_{0};  // of a sign of life; 0: nobody waits for one
  std::vector<std::unique_ptr<std::atomic<bool>>> signed_;
  std::atomic<std::uint64_t> beats_{0};
  std::uint64_t seen_beats_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_ending_ = false;  // guarded by mutex_
  std::thread watcher_;
};

}  // namespace larder::server
