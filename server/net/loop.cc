#include "server/net/loop.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "server/log.h"
#include "server/options.h"
#include "server/scripting/scripts.h"
#include "server/upkeep.h"
#include "storage/blob.h"

namespace larder::server::net {
namespace {

// How often each connection is tended (timeouts, idle buffers), in milliseconds.
constexpr std::int64_t kTendMs = 1000;

}  // namespace

Loop::Loop(Engine& engine, Lane& lane)
    : engine_(engine),
      lane_(lane),
      guard_(asio::make_work_guard(context_)),
      readiness_(context_, ::dup(poller_.handle())),
      timer_(context_),
      fetch_ahead_(engine.store(), engine.is_shared()) {}

Loop::~Loop() {
  stop();
  join();
}

void Loop::start() {
  thread_ = std::thread([this] { run(); });
}

void Loop::run() {
  wait_for_sessions();
  wait_for_tick();
  context_.run();
}

void Loop::stop() {
  asio::post(context_, [this] {
    if (std::exchange(is_stopping_, true)) return;
    std::vector<Session*> all;
    for (auto& [id, session] : sessions_) all.push_back(session.get());
    for (Session* session : all) {
      session->flush(SIZE_MAX);
      session->close();
    }
    // A script that looks at the loop may be what runs this: its session is still on the stack.
    if (!is_serving_) clear_graves();
    readiness_.cancel();
    timer_.cancel();
    guard_.reset();
    context_.stop();
  });
}

void Loop::join() {
  if (thread_.joinable()) thread_.join();
}

void Loop::adopt(Newcomer newcomer) {
  open_.fetch_add(1, std::memory_order_relaxed);
  asio::post(context_, [this, newcomer = std::move(newcomer)]() mutable {
    make_session(std::move(newcomer));
  });
}

void give_to_idlest(const std::vector<std::unique_ptr<Loop>>& loops, Newcomer newcomer) {
  const auto idlest =
      std::min_element(loops.begin(), loops.end(),
                       [](const auto& a, const auto& b) { return a->size() < b->size(); });
  (*idlest)->adopt(std::move(newcomer));
}

void Loop::make_session(Newcomer newcomer) {
  const std::uint64_t id = engine_.clients().next_id();
  auto session = std::make_unique<Session>(*this, std::move(newcomer), id);
  Client& client = session->client();
  lane_.counters.connections.add();
  lane_.counters.clients.add();
  engine_.clients().add(client);
  Session& made = *session;
  sessions_.emplace(id, std::move(session));
  if (is_stopping_ || !poller_.add(made.socket(), &made, {})) made.close();
  note_backlog(made);  // its first request may have come with the end of its handshake
  if (!is_serving_) clear_graves();
  if (!backlog_.empty() && !is_serving_) asio::post(context_, [this] { serve_ready(); });
}

void Loop::post_to(std::uint64_t id, std::function<void(Session&)> what) {
  asio::post(context_, [this, id, what = std::move(what)] {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    what(*it->second);
    if (!is_serving_) clear_graves();
  });
}

// The one that was used last.
std::unique_ptr<Desk> Loop::take_desk() {
  if (desks_.empty()) return std::make_unique<Desk>();
  std::unique_ptr<Desk> desk = std::move(desks_.back());
  desks_.pop_back();
  return desk;
}

// A closed session is freed when nothing on the stack can still use it.
void Loop::bury(Session& session) {
  const auto it = sessions_.find(session.id());
  if (it == sessions_.end()) return;
  graves_.push_back(std::move(it->second));
  sessions_.erase(it);
  open_.fetch_sub(1, std::memory_order_relaxed);
}

void Loop::clear_graves() {
  graves_.clear();
}

// Not armed again while the loop serves already (a script lets it look at its sockets): readiness
// is a level, so it would come up again at once, for ever. Whoever is serving arms it when done.
void Loop::wait_for_sessions() {
  if (std::exchange(is_armed_, true)) return;
  readiness_.async_wait(asio::posix::stream_descriptor::wait_read, [this](asio::error_code error) {
    is_armed_ = false;
    if (error || is_stopping_ || is_serving_) return;
    serve_ready();
    wait_for_sessions();
  });
}

// Serves turn after turn while somebody is ready, but looks at timers and posted work now and then.
void Loop::serve_ready() {
  if (is_serving_) return;
  for (int turn = 0; turn < kTurnsPerWakeUp; ++turn) {
    if (!collect_ready()) return;
    serve(ready_);
  }
  if (!backlog_.empty()) {
    asio::post(context_, [this] { serve_ready(); });
  }
}

// Who can be read or written now, and who has whole requests left in its buffer. False: nobody.
bool Loop::collect_ready() {
  ready_.clear();
  for (const epoll_event& event : poller_.ready()) {
    auto* session = static_cast<Session*>(event.data.ptr);
    if (session->is_closed()) continue;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0 && (event.events & EPOLLIN) == 0) {
      session->close();
      continue;
    }
    if ((event.events & EPOLLOUT) != 0) session->flush();
    // Whoever waits for others is not read, and nobody is there to be answered.
    if ((event.events & EPOLLRDHUP) != 0 && session->is_asleep()) session->close();
    if (!session->is_closed()) ready_.push_back(session);
  }
  for (const std::uint64_t id : std::exchange(backlog_, {})) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) continue;
    Session* session = it->second.get();
    if (std::find(ready_.begin(), ready_.end(), session) == ready_.end()) ready_.push_back(session);
  }
  if (ready_.empty()) clear_graves();
  return !ready_.empty();
}

void Loop::serve(const std::vector<Session*>& sessions) {
  is_serving_ = true;
  std::span<Session* const> left = sessions;
  while (!left.empty()) {
    const std::span<Session* const> group = receive_group(left);
    left = left.subspan(group.size());
    run_batches(group);
    for (Session* session : group) {
      session->flush();
      note_backlog(*session);
    }
  }
  end_serving();
}

// Reads and parses as many of the sessions as make a group.
std::span<Session* const> Loop::receive_group(std::span<Session* const> sessions) {
  fetch_ahead_.clear();
  std::size_t count = 0;
  while (count < sessions.size() && fetch_ahead_.size() < kGroupFetches) {
    Session& session = *sessions[count++];
    if (session.may_have_more()) {
      session.parse(fetch_ahead_);
    } else {
      session.receive(fetch_ahead_);
    }
  }
  return sessions.first(count);
}

// Whole requests are left, in the batch or in the buffer, and no event will say so.
void Loop::note_backlog(Session& session) {
  if (session.can_go_on() || session.may_have_more() || session.has_more_to_read()) {
    backlog_.push_back(session.id());
  }
}

void Loop::end_serving() {
  is_serving_ = false;
  clear_graves();
  if (!working_.empty()) post_work();
}

void Loop::run_batches(std::span<Session* const> sessions) {
  const LaneVisit visit(engine_.services(), lane_);
  if (visit.is_inside()) fetch_ahead_.start();
  for (Session* session : sessions) {
    running_ = session;
    session->run(!visit.is_inside());
    running_ = nullptr;
    // Somebody wants to be alone: let them between two sessions rather than at the end of the turn.
    if (engine_.services().turnstile.is_wanted() && visit.is_inside()) {
      engine_.services().turnstile.leave(lane_.seat);
      while (!engine_.services().turnstile.enter(lane_.seat)) {
        engine_.services().turnstile.wait_until_open();
      }
      restart_clock(lane_);
    }
  }
}

void Loop::has_work(Session& session) {
  working_.push_back(session.id());
  if (!is_serving_) post_work();
}

// Who finds the list empty posts for all that come before it is taken.
void Loop::wake(std::uint64_t id) {
  bool is_first = false;
  {
    const storage::MutexLock lock(woken_mutex_);
    is_first = woken_.empty();
    woken_.push_back(id);
  }
  if (is_first) asio::post(context_, [this] { take_woken(); });
}

void Loop::take_woken() {
  std::vector<std::uint64_t> woken;
  {
    const storage::MutexLock lock(woken_mutex_);
    woken.swap(woken_);
  }
  working_.insert(working_.end(), woken.begin(), woken.end());
  if (!is_serving_) do_work();
}

void Loop::post_work() {
  if (std::exchange(work_is_posted_, true)) return;
  asio::post(context_, [this] { do_work(); });
}

// One step for everybody who has a long work or whose pause is over; then the others get a turn.
// While a script lets the loop look at its sockets nothing is done here: end_serving() posts it
// again.
void Loop::do_work() {
  work_is_posted_ = false;
  if (is_serving_) return;
  for (const std::uint64_t id : std::exchange(working_, {})) {
    const auto it = sessions_.find(id);
    if (it != sessions_.end()) serve_one(*it->second);
  }
  serve_ready();
  wait_for_sessions();
}

void Loop::serve_one(Session& session) {
  is_serving_ = true;
  {
    const LaneVisit visit(engine_.services(), lane_);
    if (visit.is_inside()) {
      running_ = &session;
      session.go_on();
      running_ = nullptr;
    } else {
      working_.push_back(session.id());
    }
  }
  session.flush();
  note_backlog(session);
  end_serving();
}

void Loop::serve_while_busy() {
  Session* const script = running_;
  // New connections and posts; timers find that the loop is serving and do nothing.
  context_.poll();
  std::vector<Session*> others;
  for (auto& [id, session] : sessions_) {
    if (session.get() != script && session->has_batch()) others.push_back(session.get());
  }
  for (const epoll_event& event : poller_.ready()) {
    auto* session = static_cast<Session*>(event.data.ptr);
    if (session == script || session->is_closed()) continue;
    if (std::find(others.begin(), others.end(), session) == others.end()) others.push_back(session);
  }
  storage::FetchAhead unused(engine_.store(), false);
  for (Session* session : others) {
    session->receive(unused);
    session->run(true);
    session->flush();
    // For when the script is over; once, however often it lets us look.
    if (std::find(backlog_.begin(), backlog_.end(), session->id()) == backlog_.end()) {
      note_backlog(*session);
    }
  }
  running_ = script;
}

void Loop::wait_for_tick() {
  timer_.expires_after(std::chrono::microseconds(engine_.upkeep().next_tick_us(lane_)));
  timer_.async_wait([this](asio::error_code error) {
    if (error || is_stopping_) return;
    if (!is_serving_) tick();
    wait_for_tick();
  });
}

// What clients hold is beyond what they may hold all together: the worst of them go, whosesoever
// loop they are with. It is their buffers, and values that are no key's any more and that somebody
// has not read to the end; whichever is more, its holders pay, or who writes large values would be
// put out for those that read none.
void Loop::relieve_memory() {
  Services& services = engine_.services();
  const std::uint64_t limit = services.options.limits.client_bytes.load(std::memory_order_relaxed);
  if (limit == 0) return;
  const std::uint64_t buffers = services.lanes.sum(
      [](const Lane& lane) -> const Counter& { return lane.counters.client_bytes; });
  const std::uint64_t values = storage::Blob::orphaned_bytes();
  if (buffers + values <= limit) return;
  const auto what = buffers >= values ? ClientRegistry::Held::buffers
                                      : ClientRegistry::Held::values;
  const auto say = [&](const Client& client, std::size_t bytes) {
    lane_.counters.evicted_clients.add();
    services.log.warning(
        fmt::format("Client {} closed: it holds {} bytes, and all clients {}, of {} they may "
                    "(maxmemory-clients)",
                    client.address, bytes, buffers + values, limit));
  };
  engine_.clients().cut_off_worst(what, buffers + values - limit, say);
}

void Loop::tick() {
  relieve_memory();
  const LaneVisit visit(engine_.services(), lane_);
  if (!visit.is_inside()) return;
  engine_.upkeep().tick(lane_);
  const std::int64_t now_ms = lane_.now_ms;
  if (now_ms - tended_ms_ < kTendMs && now_ms >= tended_ms_) return;
  tended_ms_ = now_ms;
  std::vector<Session*> all;
  for (auto& [id, session] : sessions_) all.push_back(session.get());
  for (Session* session : all) session->tend(now_ms);
  clear_graves();
}

}  // namespace larder::server::net
