#include "server/engine/dispatch.h"

#include <optional>
#include <string>
#include <vector>

#include "protocol/args.h"
#include "protocol/errors.h"
#include "server/engine/blocking.h"
#include "server/engine/lane.h"
#include "server/engine/monitors.h"
#include "server/engine/pause.h"
#include "server/engine/pubsub.h"
#include "server/engine/redact.h"
#include "server/engine/ticks.h"
#include "server/engine/tracking.h"
#include "server/engine/transaction.h"
#include "server/metrics/slowlog.h"
#include "server/options.h"
#include "server/scripting/scripts.h"
#include "server/security/users.h"
#include "storage/ensure.h"
#include "storage/timeline.h"
#include "storage/turnstile.h"

namespace larder::server {

namespace errors = protocol::errors;

// One request on its way through the gates.
struct Dispatcher::Asked {
  Lane& lane;
  Client& client;
  Words words;
  const Prepared& prepared;
  protocol::RespWriter& writer;

  const Command& row() const { return *prepared.row; }
  bool is_queueing() const {
    return client.transaction != nullptr && client.transaction->is_open();
  }
  std::int64_t now_ms() const { return lane.now_ms; }
};

namespace {

// A browser that was led here: the first line of a request, or a header that names its host. It
// gets no word, and nothing that follows is taken for commands.
bool is_http(Words words) {
  return protocol::same_word(words[0], "POST") || protocol::same_word(words[0], "HOST:");
}

// Fewer ticks than this are surely below the slow log's threshold; more are looked at closely.
std::uint64_t least_slow_ticks(const Services& services) {
  constexpr double kSurely = 0.99;
  const std::int64_t threshold_us = services.options.settings.slowlog_log_slower_than_us;
  if (threshold_us < 0) return UINT64_MAX;
  const double ticks = static_cast<double>(threshold_us) * 1000.0 / nanoseconds_per_tick();
  return ticks * kSurely < 0x1p63 ? static_cast<std::uint64_t>(ticks * kSurely) : UINT64_MAX;
}

Next next_of(Work& work) {
  return work.sleeper() == nullptr ? Next::wait : Next::sleep;
}

}  // namespace

void restart_clock(Lane& lane) {
  lane.ticks = ticks_now();
}

Prepared Dispatcher::prepare(Words words) const {
  const Registry::Match match = services_.registry.match(words);
  if (match.row == nullptr) return {};
  const auto first = static_cast<std::size_t>(match.row->keys.first);
  const bool has_key = first != 0 && first < words.size();
  return {.row = match.row,
          .hash = has_key ? services_.store.key(words[first]).hash : 0,
          .number = match.number,
          .fits = match.fits,
          .has_key = has_key};
}

// Whatever a gate answers also spoils a transaction that is being queued; EXEC itself is aborted by
// it.
void Dispatcher::refuse(Asked& asked, std::string_view error) {
  const Command* row = asked.prepared.row;
  if (row != nullptr) asked.lane.commands[asked.prepared.number].rejected.add();
  if (asked.is_queueing()) asked.client.transaction->spoil();
  std::string aborted;
  if (row != nullptr && row->flags & Flag::runs_queue) {
    if (asked.is_queueing()) asked.client.transaction->close();
    if (error.starts_with("ERR ")) error.remove_prefix(4);
    aborted = "EXECABORT Transaction discarded because of: " + std::string(error);
    error = aborted;
  }
  asked.writer.error(error);
  asked.lane.count_error(asked.writer.last_error_code());
}

bool Dispatcher::is_known(Asked& asked) {
  if (asked.prepared.row != nullptr) return true;
  const Command* container = services_.registry.match(asked.words).container;
  if (container == nullptr) {
    refuse(asked, errors::unknown_command(asked.words));
  } else {
    refuse(asked,
           errors::unknown_subcommand(services_.registry.full_name(*container), asked.words[1]));
  }
  return false;
}

bool Dispatcher::has_its_words(Asked& asked) {
  if (asked.prepared.fits) return true;
  refuse(asked, errors::wrong_arity(services_.registry.full_name(asked.row())));
  return false;
}

bool Dispatcher::is_signed_in(Asked& asked) {
  Client& client = asked.client;
  if (client.authenticated || asked.row().flags & Flag::no_auth) return true;
  // Since it came, the default user has become one that needs no password.
  if (client.user == security::kDefaultUser && services_.users.lets_all_in()) {
    client.rights = {};
    return client.authenticated = true;
  }
  refuse(asked, errors::no_auth);
  return false;
}

bool Dispatcher::may_be_in_multi(Asked& asked) {
  if (!asked.is_queueing() || !(asked.row().flags & Flag::no_multi)) return true;
  refuse(asked, errors::not_in_multi);
  return false;
}

bool Dispatcher::is_permitted(Asked& asked) {
  Client& client = asked.client;
  const security::Verdict verdict =
      services_.users.judge(client, asked.row(), asked.prepared.number, asked.words);
  if (verdict.passes()) return true;
  client.last_command = &asked.row();
  const auto context = asked.is_queueing() ? security::Context::multi : security::Context::toplevel;
  security::note_refusal(services_, asked.lane, client, asked.row(), asked.words, verdict, context);
  switch (verdict.denial) {
    case security::Denial::key: refuse(asked, errors::no_permission_keys); break;
    case security::Denial::channel: refuse(asked, errors::no_permission_channels); break;
    default: refuse(asked, errors::no_permission(services_.registry.full_name(asked.row())));
  }
  return false;
}

// RESP2 cannot tell a message from a reply: who listens says little else until it stops.
bool Dispatcher::may_be_said_by_listener(Asked& asked) {
  const Client& client = asked.client;
  if (client.protocol != 2 || !is_listening(client)) return true;
  if (asked.row().flags & Flag::while_listening) return true;
  refuse(asked, errors::only_listens(services_.registry.full_name(asked.row())));
  return false;
}

bool Dispatcher::is_out_of_memory(std::int64_t now_ms) {
  return !services_.store.make_room(now_ms);
}

// What a row may do counts for itself; what EXEC may do is what was queued.
bool Dispatcher::may(const Asked& asked, Flag flag) const {
  if (asked.row().flags & flag) return true;
  if (!(asked.row().flags & Flag::runs_queue) || !asked.is_queueing()) return false;
  for (const Transaction::Queued& queued : asked.client.transaction->queued()) {
    if (queued.row->flags & flag) return true;
  }
  return false;
}

// Who may need memory makes room first, and is refused when there is none; the others leave it to
// them and to upkeep.
bool Dispatcher::has_memory(Asked& asked) {
  if (!may(asked, Flag::may_grow) || !is_out_of_memory(asked.now_ms())) return true;
  refuse(asked, errors::oom);
  return false;
}

bool Dispatcher::is_not_busy(Asked& asked) {
  if (asked.row().flags & Flag::allow_busy) return true;
  refuse(asked, services_.scripts.busy_error());
  return false;
}

// Whether no gate can have anything to say. Being wrong about a request that would pass is only
// slow; so what may cost more comes last, and only for who is not allowed everything.
bool Dispatcher::is_usual(const Asked& asked) const {
  Client& client = asked.client;
  const Prepared& prepared = asked.prepared;
  const bool is_plain = prepared.fits && !asked.is_queueing() && !client.subscriber &&
                        !client.tracker && !services_.scripts.is_running() &&
                        asked.now_ms() >= services_.pause.until_ms() && services_.store.has_room();
  if (!is_plain) return false;
  if (services_.users.is_unlimited(client)) [[likely]]
    return true;
  return client.authenticated &&
         services_.users.judge(client, *prepared.row, prepared.number, asked.words).passes();
}

Next Dispatcher::execute(Lane& lane, Client& client, Words words, const Prepared& prepared,
                         protocol::RespWriter& writer) {
  Asked asked{lane, client, words, prepared, writer};
  if (is_usual(asked)) return run(asked);
  const Next next = execute_carefully(asked);
  if (client.tracker) use_up_caching(asked, next);
  return next;
}

// What CLIENT CACHING said is for one command, refused or not, or for one transaction.
void Dispatcher::use_up_caching(const Asked& asked, Next next) {
  const bool is_done = next == Next::go_on || next == Next::close;
  const Command* row = asked.prepared.row;
  const bool keeps = row != nullptr && row->flags & Flag::keeps_caching;
  if (is_done && !keeps && !asked.is_queueing()) asked.client.tracker->caching = false;
}

// For whom the keys are visited, while somebody wants to know.
void Dispatcher::track(std::optional<TrackedVisits>& tracked, storage::Keyspace& keys,
                       const Client& client, const Command& row) {
  if (!services_.tracking.is_on()) [[likely]]
    return;
  keys.act_for(tracked.emplace(services_.tracking, client, row).visiting());
}

Next Dispatcher::execute_carefully(Asked& asked) {
  Client& client = asked.client;
  // A script of this very lane may have let the loop look at its sockets.
  if (services_.scripts.is_running() && services_.scripts.is_busy()) {
    return execute_while_busy(asked.lane, client, asked.words, asked.writer);
  }
  if (asked.prepared.row == nullptr && is_http(asked.words)) return Next::close;
  const bool passes = is_known(asked) && has_its_words(asked) && is_signed_in(asked) &&
                      may_be_in_multi(asked) && is_permitted(asked) && has_memory(asked) &&
                      may_be_said_by_listener(asked);
  if (!passes) return Next::go_on;

  const Command& row = asked.row();
  const Pause::Kind paused = services_.pause.kind(asked.now_ms());
  if (paused != Pause::Kind::none) [[unlikely]] {
    if (paused == Pause::Kind::all || may(asked, Flag::writes | Flag::may_replicate)) {
      services_.pause.hold_back(client);
      return Next::wait;
    }
  }
  if (asked.is_queueing() && !(row.flags & Flag::control)) {
    // What waits for EXEC is unread input by another name, and has the same bound.
    if (client.transaction->queued_bytes() >=
        services_.options.settings.client_query_buffer_limit) {
      refuse(asked, errors::multi_too_large);
      return Next::go_on;
    }
    client.transaction->queue(row, asked.words);
    asked.writer.simple("QUEUED");
    return Next::go_on;
  }
  restart_clock(asked.lane);
  return run(asked);
}

Next Dispatcher::execute_while_busy(Lane& lane, Client& client, Words words,
                                    protocol::RespWriter& writer) {
  const Prepared prepared = prepare(words);
  Asked asked{lane, client, words, prepared, writer};
  lane.set_now(services_.timeline.now_us());
  const bool passes = is_known(asked) && has_its_words(asked) && is_signed_in(asked) &&
                      may_be_in_multi(asked) && is_permitted(asked) &&
                      may_be_said_by_listener(asked) && is_not_busy(asked);
  if (!passes) return Next::go_on;
  restart_clock(lane);
  return run(asked);
}

// Shown when it has run, as Redis does: SELECT with the new database, RESET not to the monitor that
// sent it.
void Dispatcher::show_to_monitors(const Asked& asked) {
  if (!services_.monitors.any()) [[likely]]
    return;
  const Flag flags = asked.row().flags;
  if (flags & (Flag::skip_monitor | Flag::admin)) return;
  services_.monitors.show(services_.timeline.wall_us(asked.lane.now_us), asked.client, asked.words,
                          flags & Flag::touches_arguments, false);
}

Next Dispatcher::run(Asked& asked) {
  Client& client = asked.client;
  Lane& lane = asked.lane;
  const Command& row = asked.row();
  client.last_command = &row;
  client.active_ms = asked.now_ms();
  ++client.commands;
  lane.counters.commands.add();

  const std::uint64_t errors_before = asked.writer.errors();
  const std::uint64_t begin = lane.ticks;
  storage::Keyspace keys(services_.store, client.db, asked.now_ms());
  keys.no_touch(client.no_touch);
  keys.tell(lane.ready);
  std::optional<TrackedVisits> tracked;
  track(tracked, keys, client, row);
  Call call{.services = services_,
            .lane = lane,
            .client = client,
            .command = row,
            .words = asked.words,
            .keys = keys,
            .reply = asked.writer,
            .now_ms = asked.now_ms(),
            .first_hash = asked.prepared.has_key ? &asked.prepared.hash : nullptr};
  std::uint64_t end = 0;
  if (row.flags & (Flag::exclusive | Flag::control)) [[unlikely]] {
    end = run_apart(asked, call);
  } else {
    row.run(call);
    end = lane.ticks = ticks_now();
  }
  const std::uint64_t took = end - begin;
  if (tracked) [[unlikely]]
    tracked->finish(asked.words);
  show_to_monitors(asked);

  CommandCounters& counters = lane.commands[asked.prepared.number];
  counters.count_call(took);
  if (took >= lane.slow_ticks) [[unlikely]]
    note_slow(asked, took);
  if (asked.writer.errors() != errors_before) [[unlikely]] {
    counters.failed.add();
    lane.count_error(asked.writer.last_error_code());
  }
  if (call.work) [[unlikely]]
    client.work = std::move(call.work);
  // Not while a script of this lane holds everything and only lets the loop look at its sockets.
  if (!lane.ready.empty() && !lane.is_alone) [[unlikely]] {
    serve_ready(services_, lane);
    restart_clock(lane);
  }
  if (client.work) [[unlikely]]
    return next_of(*client.work);
  return client.close_after_reply ? Next::close : Next::go_on;
}

// Rows that hold everybody off, or that run others (EXEC): they may change the settings. Answers
// when it was done; what is waited for afterwards is neither its time nor the next one's.
std::uint64_t Dispatcher::run_apart(Asked& asked, Call& call) {
  Lane& lane = asked.lane;
  std::optional<Alone> alone;
  const Command& row = asked.row();
  if (row.flags & Flag::exclusive && lane.is_inside) {
    if (row.runs_beside == nullptr || !row.runs_beside(call)) alone.emplace(services_, lane);
  }
  row.run(call);
  lane.slow_ticks = least_slow_ticks(services_);
  return lane.ticks = ticks_now();
}

void Dispatcher::note_slow(Asked& asked, std::uint64_t ticks) {
  const std::int64_t threshold_us = services_.options.settings.slowlog_log_slower_than_us;
  if (threshold_us < 0 || asked.row().flags & Flag::skip_slowlog) return;
  const std::uint64_t took_us = microseconds_of(ticks);
  if (took_us < static_cast<std::uint64_t>(threshold_us)) return;
  const bool has_secrets = asked.row().flags & Flag::touches_arguments;
  const std::vector<std::string_view> shown = has_secrets ? redacted(asked.words)
                                                          : std::vector<std::string_view>{};
  services_.slowlog.add(services_.timeline.wall_us(asked.lane.now_us) / 1'000'000, took_us,
                        has_secrets ? Words(shown) : asked.words, asked.client.address,
                        asked.client.name, services_.options.settings.slowlog_max_len);
}

Next Dispatcher::resume(Lane& lane, Client& client, protocol::RespWriter& writer) {
  if (!client.work) return Next::go_on;
  storage::Keyspace keys(services_.store, client.db, lane.now_ms);
  keys.no_touch(client.no_touch);
  keys.tell(lane.ready);
  std::optional<TrackedVisits> tracked;
  track(tracked, keys, client, *client.last_command);
  Call call{.services = services_,
            .lane = lane,
            .client = client,
            .command = *client.last_command,
            .words = {},
            .keys = keys,
            .reply = writer,
            .now_ms = lane.now_ms};
  const std::uint64_t errors_before = writer.errors();
  if (!client.work->step(call)) return next_of(*client.work);
  client.work.reset();
  client.active_ms = lane.now_ms;
  if (client.tracker) client.tracker->caching = false;
  if (writer.errors() != errors_before) {
    lane.commands[services_.registry.number_of(*client.last_command)].failed.add();
    lane.count_error(writer.last_error_code());
  }
  return client.close_after_reply ? Next::close : Next::go_on;
}

void Dispatcher::run_inner(Lane& lane, Client& client, const Command& row, Words words,
                           Reply& reply, const Inner& inner) {
  storage::Keyspace keys(services_.store, client.db, inner.now_ms, inner.held);
  keys.no_touch(client.no_touch);
  keys.tell(lane.ready);
  std::optional<TrackedVisits> tracked;
  track(tracked, keys, client, row);
  Call call{.services = services_,
            .lane = lane,
            .client = client,
            .command = row,
            .words = words,
            .keys = keys,
            .reply = reply,
            .now_ms = inner.now_ms,
            .in_script = inner.in_script,
            .in_exec = inner.in_exec,
            .first_hash = inner.first_hash};
  const std::uint64_t begin = ticks_now();
  row.run(call);
  // Nobody may come between the steps of a transaction or a script: the work is done to its end.
  while (call.work && !call.work->step(call)) {
  }
  if (tracked) tracked->finish(words);
  lane.commands[inner.number].count_call(ticks_now() - begin);
}

LaneVisit::LaneVisit(Services& services, Lane& lane) : services_(services), lane_(lane) {
  lane_.is_inside = services_.turnstile.enter(lane_.seat);
  lane_.set_now(services_.timeline.now_us());
  lane_.slow_ticks = least_slow_ticks(services_);
  restart_clock(lane_);
}

LaneVisit::~LaneVisit() {
  services_.tracking.end_turn();
  if (!lane_.is_inside) return;
  lane_.is_inside = false;
  services_.turnstile.leave(lane_.seat);
}

Alone::Alone(Services& services, Lane& lane)
    : services_(services), lane_(lane), closed_here_(!lane.is_alone) {
  if (!closed_here_) return;
  ensure(lane_.is_inside, "only who is inside can ask to be alone");
  services_.turnstile.leave(lane_.seat);
  services_.turnstile.close();
  lane_.is_alone = true;
}

Alone::~Alone() {
  if (!closed_here_) return;
  lane_.is_alone = false;
  // Enter before opening would wait for ourselves; between the two others may run, as between any
  // two commands.
  services_.turnstile.open();
  while (!services_.turnstile.enter(lane_.seat)) {
    // Somebody else's script has closed for long in between: this lane has a batch to finish and
    // must wait for it.
    services_.turnstile.wait_until_open();
  }
  restart_clock(lane_);
}

}  // namespace larder::server
