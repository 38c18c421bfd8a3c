// A loop: one thread, one io_context, its sessions and its tick.
//
// A turn of the loop serves every connection that is ready, a group of them at a time:
//
//   read and parse   whole requests, their rows found and their first keys hashed, until a group
//                    of kGroupFetches is together or nobody is left
//   run              each session's batch in order, inside the turnstile, keys fetched ahead of it
//                    (storage/fetch_ahead.h)
//   write            one gathered write per session
//
// With fifty clients that send one command at a time a group so fetches up to fifty keys ahead, as
// a pipeline would; with deep pipelines a group is a session or two, whose words and replies stay
// in the nearest caches. Sessions whose buffer holds more whole requests than a batch takes get the
// next turn together with who is ready then: nobody's pipeline starves the others.
//
// A script that runs for long on this loop calls serve_while_busy() from its instruction hook: the
// other sessions are read and answered BUSY meanwhile.
//
// Thread: everything on the loop's own thread but start, stop, adopt, post_to, wake and size.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "protocol/buffer.h"
#include "server/engine/engine.h"
#include "server/engine/lane.h"
#include "server/net/asio.h"
#include "server/net/poller.h"
#include "server/net/session.h"
#include "storage/fetch_ahead.h"
#include "storage/mutex.h"

namespace larder::server::net {

class Loop {
 public:
  Loop(Engine& engine, Lane& lane);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves on a thread of its own until stop(), or on the caller's thread.
  void start();
  void run();
  // Closes the connections after what they are owed is sent as far as their sockets take it. Any
  // thread.
  void stop();
  void join();

  asio::io_context& context() { return context_; }
  Engine& engine() { return engine_; }
  Lane& lane() { return lane_; }
  Poller& poller() { return poller_; }
  storage::FetchAhead& fetch_ahead() { return fetch_ahead_; }
  // What sessions work with, and lend back when they have nothing to do.
  protocol::BlockPool& blocks() { return blocks_; }
  std::unique_ptr<Desk> take_desk();
  void give_desk(std::unique_ptr<Desk> desk) {
    if (desks_.size() < kKeptDesks) desks_.push_back(std::move(desk));
  }

  // Any thread: the connection is this loop's from now on.
  void adopt(Newcomer newcomer);
  // Any thread: runs `what` on the loop if the session is still there.
  void post_to(std::uint64_t id, std::function<void(Session&)> what);
  // Open connections; any thread.
  std::size_t size() const { return open_.load(std::memory_order_relaxed); }

  // Called by sessions.
  void bury(Session& session);
  // It has a long work to go on with, or its pause is over.
  void has_work(Session& session);
  // Any thread: the same, by its id. Many at once cost one wake-up.
  void wake(std::uint64_t id);

  // From a script of this loop that runs for long.
  void serve_while_busy();

 private:
  // Turns served before timers and posted work are looked at.
  static constexpr int kTurnsPerWakeUp = 16;
  // Requests with a key that make a group: enough that its first keys, which are waited for, do not
  // matter; little enough that words and replies stay in the nearest caches.
  static constexpr std::size_t kGroupFetches = 128;
  // More are in use at once only while clients wait, as in CLIENT PAUSE.
  static constexpr std::size_t kKeptDesks = 64;

  void wait_for_sessions();
  void serve_ready();
  bool collect_ready();
  void serve(const std::vector<Session*>& sessions);
  std::span<Session* const> receive_group(std::span<Session* const> sessions);
  void run_batches(std::span<Session* const> sessions);
  void take_woken();
  void post_work();
  void do_work();
  void serve_one(Session& session);
  void note_backlog(Session& session);
  void end_serving();
  void wait_for_tick();
  void tick();
  void make_session(Newcomer newcomer);
  void relieve_memory();
  void clear_graves();

  Engine& engine_;
  Lane& lane_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  Poller poller_;
  asio::posix::stream_descriptor readiness_;  // of the poller's own handle
  asio::steady_timer timer_;
  std::thread thread_;

  protocol::BlockPool blocks_;                // before the sessions, which refer to it
  std::vector<std::unique_ptr<Desk>> desks_;  // nobody works at them
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Session>> graves_;  // closed in this turn; freed after it
  std::vector<Session*> ready_;
  std::vector<std::uint64_t> backlog_;  // have more whole requests in their buffers
  std::vector<std::uint64_t> working_;  // have a long work to go on with
  storage::FetchAhead fetch_ahead_;
  Session* running_ = nullptr;  // whose command runs now
  storage::Mutex woken_mutex_;
  std::vector<std::uint64_t> woken_ GUARDED_BY(woken_mutex_);  // somebody else says: has work
  bool work_is_posted_ = false;
  bool is_serving_ = false;
  bool is_armed_ = false;
  bool is_stopping_ = false;
  std::int64_t tended_ms_ = 0;
  std::atomic<std::size_t> open_{0};  // relaxed: only to spread newcomers
};

// Any thread: to the loop that has the fewest connections.
void give_to_idlest(const std::vector<std::unique_ptr<Loop>>& loops, Newcomer newcomer);

}  // namespace larder::server::net
