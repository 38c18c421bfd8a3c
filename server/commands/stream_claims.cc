// What a group was given and has not acknowledged: who has it (XPENDING), and taking it over from
// consumers that are gone (XCLAIM, XAUTOCLAIM).
//
// An entry that is gone from the stream is taken off the books by whoever comes to claim it. XCLAIM
// looks at the ids it is told; XAUTOCLAIM walks on from an id and looks at ten times as many as it
// may claim at the most.
// Thread: loop.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "server/commands/streams.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Slot;
using storage::Stream;
using storage::StreamConsumer;
using storage::StreamEntry;
using storage::StreamGroup;
using storage::StreamId;
using storage::StreamPending;

std::int64_t idle_ms(std::int64_t now_ms, std::int64_t since_ms) {
  return std::max<std::int64_t>(now_ms - since_ms, 0);
}

struct PendingQuery {
  bool is_summary = false;
  std::int64_t least_idle_ms = 0;
  StreamId from = {};
  StreamId to = {};
  std::int64_t most = 0;
  std::optional<std::string_view> consumer = {};
};

// key group [[IDLE min-idle-time] start end count [consumer]]
PendingQuery read_pending_query(Args& args, const Call& call) {
  const std::size_t words = call.words.size();
  PendingQuery query{.is_summary = words == 3};
  if (query.is_summary) return query;
  if (words < 6 || words > 9) args.fail(errors::syntax);
  if (args.eat("IDLE")) {
    query.least_idle_ms = args.integer();
    if (words < 8) args.fail(errors::syntax);
  }
  const std::string_view from = args.take();
  const std::string_view to = args.take();
  query.most = args.integer();
  query.from = read_range_end(args, from, RangeEnd::start);
  query.to = read_range_end(args, to, RangeEnd::stop);
  if (args.more()) query.consumer = args.take();
  return query;
}

// How many, the lowest and the highest id, and how many each consumer has.
void say_summary(Reply& reply, const StreamGroup& group) {
  reply.array(4);
  const StreamGroup::Pending& pending = group.pending();
  reply.integer(static_cast<std::int64_t>(pending.size()));
  if (pending.empty()) {
    reply.null();
    reply.null();
    return reply.null_array();
  }
  say_stream_id(reply, pending.begin()->first);
  say_stream_id(reply, pending.rbegin()->first);
  const auto has_some = [](const auto& each) { return !each.second.pending.empty(); };
  reply.array(static_cast<std::size_t>(
      std::count_if(group.consumers().begin(), group.consumers().end(), has_some)));
  for (const auto& each : group.consumers()) {
    if (!has_some(each)) continue;
    reply.array(2);
    reply.bulk(each.first);
    reply.bulk(std::to_string(each.second.pending.size()));
  }
}

struct PendingEntry {
  StreamId id;
  const StreamPending* pending;
};

// Those that were asked for, by their ids.
std::vector<PendingEntry> find_pending(const PendingQuery& query, const StreamGroup& group,
                                       std::int64_t now_ms) {
  std::vector<PendingEntry> found;
  const auto look_at = [&](StreamId id, const StreamPending& pending) {
    if (query.least_idle_ms != 0 && now_ms - pending.delivered_ms < query.least_idle_ms) return;
    found.push_back({id, &pending});
  };
  const auto goes_on = [&](StreamId id) {
    return id <= query.to && static_cast<std::int64_t>(found.size()) < query.most;
  };
  const StreamGroup::Pending& all = group.pending();
  if (!query.consumer) {
    for (auto at = all.lower_bound(query.from); at != all.end() && goes_on(at->first); ++at) {
      look_at(at->first, at->second);
    }
    return found;
  }
  const StreamConsumer* consumer = group.consumer(*query.consumer);
  if (consumer == nullptr) return found;
  const auto end = consumer->pending.end();
  for (auto id = consumer->pending.lower_bound(query.from); id != end && goes_on(*id); ++id) {
    look_at(*id, all.at(*id));
  }
  return found;
}

void xpending(Call& call) {
  Args args = call.args_from(3);
  const PendingQuery query = read_pending_query(args, call);
  if (args.failed()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.error(errors::no_group(call.word(1), call.word(2))); };
  read_stream(call, call.key(), absent, [&](const Stream& stream) {
    const StreamGroup* group = stream.group(call.word(2));
    if (group == nullptr) return absent();
    if (query.is_summary) return say_summary(call.reply, *group);
    const std::int64_t now_ms = stream_now_ms(call);
    const std::vector<PendingEntry> found = find_pending(query, *group, now_ms);
    call.reply.array(found.size());
    for (const PendingEntry& entry : found) {
      call.reply.array(4);
      say_stream_id(call.reply, entry.id);
      call.reply.bulk(entry.pending->consumer->name);
      call.reply.integer(idle_ms(now_ms, entry.pending->delivered_ms));
      call.reply.integer(static_cast<std::int64_t>(entry.pending->deliveries));
    }
  });
}

// How what is claimed is written down.
struct Claim {
  std::int64_t least_idle_ms = 0;
  std::int64_t now_ms = 0;
  std::int64_t delivered_ms = 0;
  std::optional<std::uint64_t> deliveries = {};
  bool only_ids = false;
};

// What became of an id.
enum class Claimed : std::uint8_t { no, yes, gone };

// `is_forced`: also what nobody was given yet.
Claimed claim(const Claim& claim, const Stream& stream, StreamGroup& group,
              StreamConsumer& consumer, StreamId id, bool is_forced) {
  StreamPending* pending = group.find(id);
  if (!stream.has(id)) {
    return group.acknowledge(id) ? Claimed::gone : Claimed::no;
  }
  if (pending == nullptr && !is_forced) return Claimed::no;
  if (pending != nullptr && claim.least_idle_ms != 0 &&
      claim.now_ms - pending->delivered_ms < claim.least_idle_ms) {
    return Claimed::no;
  }
  const bool is_new = pending == nullptr;
  pending = &group.assign(id, consumer);
  if (is_new) pending->deliveries = 1;  // to be given by force counts as once
  pending->delivered_ms = claim.delivered_ms;
  if (claim.deliveries) {
    pending->deliveries = *claim.deliveries;
  } else if (!claim.only_ids) {
    ++pending->deliveries;
  }
  consumer.active_ms = claim.now_ms;
  return Claimed::yes;
}

void say_claimed(Reply& reply, const Claim& claim, const Stream& stream,
                 const std::vector<StreamId>& ids) {
  reply.array(ids.size());
  for (const StreamId id : ids) {
    if (claim.only_ids) {
      say_stream_id(reply, id);
    } else {
      say_stream_entry(reply, *stream.find(id));
    }
  }
}

// Says what is wrong, or edit(Stream&, StreamGroup&) of the group that is named.
template <class Edit>
void update_claimed_group(Call& call, Edit&& edit) {
  const auto absent = [&] { call.reply.error(errors::no_group(call.word(1), call.word(2))); };
  update_stream(call, call.key(), absent, [&](Slot&, Stream& stream) {
    StreamGroup* group = stream.group(call.word(2));
    if (group == nullptr) return absent();
    edit(stream, *group);
  });
}

std::int64_t read_least_idle(Args& args, std::string_view command) {
  return std::max<std::int64_t>(args.integer(errors::bad_claim_number("min-idle-time", command)),
                                0);
}

struct ClaimRequest {
  Claim how = {};
  std::vector<StreamId> ids = {};
  StreamId last_id = {};
  bool is_forced = false;
};

// A time that is none, before all time or still to come, means now.
std::int64_t sane_time(std::int64_t ms, std::int64_t now_ms) {
  return ms < 0 || ms > now_ms ? now_ms : ms;
}

std::int64_t read_claim_number(Args& args, std::string_view option) {
  return args.integer(errors::bad_claim_number(std::string(option) + " option", "XCLAIM"));
}

void read_claim_option(Args& args, ClaimRequest& request) {
  const std::int64_t now_ms = request.how.now_ms;
  const bool has_more = args.left() >= 2;
  if (args.eat("FORCE")) {
    request.is_forced = true;
  } else if (args.eat("JUSTID")) {
    request.how.only_ids = true;
  } else if (has_more && args.eat("IDLE")) {
    const std::int64_t idle = read_claim_number(args, "IDLE");
    std::int64_t since = 0;
    const bool overflows = __builtin_sub_overflow(now_ms, idle, &since);
    request.how.delivered_ms = overflows ? now_ms : sane_time(since, now_ms);
  } else if (has_more && args.eat("TIME")) {
    request.how.delivered_ms = sane_time(read_claim_number(args, "TIME"), now_ms);
  } else if (has_more && args.eat("RETRYCOUNT")) {
    const std::int64_t count = read_claim_number(args, "RETRYCOUNT");
    if (count >= 0) request.how.deliveries = static_cast<std::uint64_t>(count);
  } else if (has_more && args.eat("LASTID")) {
    request.last_id = read_stream_id(args);
  } else {
    args.fail(errors::unknown_claim_option(args.peek()));
  }
}

// min-idle-time id [id ...] and options: the ids end where a word is none.
ClaimRequest read_claim(Args& args, std::int64_t now_ms) {
  ClaimRequest request;
  request.how = {.now_ms = now_ms, .delivered_ms = now_ms};
  request.how.least_idle_ms = read_least_idle(args, "XCLAIM");
  while (args.more()) {
    const auto id = parse_stream_id(args.peek());
    if (!id) break;
    args.take();
    request.ids.push_back(*id);
  }
  while (args.more()) read_claim_option(args, request);
  return request;
}

// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds]
// [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
void xclaim(Call& call) {
  update_claimed_group(call, [&](Stream& stream, StreamGroup& group) {
    Args args = call.args_from(4);
    const ClaimRequest request = read_claim(args, stream_now_ms(call));
    if (!args.finish()) return call.reply.error(args.problem());
    group.last_id = std::max(group.last_id, request.last_id);
    StreamConsumer& consumer = see_consumer(call, group, call.word(3), call.word(1));
    std::vector<StreamId> claimed;
    for (const StreamId id : request.ids) {
      if (claim(request.how, stream, group, consumer, id, request.is_forced) == Claimed::yes) {
        claimed.push_back(id);
      }
    }
    say_claimed(call.reply, request.how, stream, claimed);
  });
}

struct AutoClaimRequest {
  Claim how = {};
  StreamId from = {};
  std::int64_t most = 100;
};

// How many it looks at for each that it may claim.
constexpr std::int64_t kLookedAtForEach = 10;

AutoClaimRequest read_auto_claim(Args& args, std::int64_t now_ms) {
  constexpr std::int64_t kMostCount = std::numeric_limits<std::int64_t>::max() /
                                      static_cast<std::int64_t>(sizeof(StreamId));
  AutoClaimRequest request;
  request.how = {.now_ms = now_ms, .delivered_ms = now_ms};
  request.how.least_idle_ms = read_least_idle(args, "XAUTOCLAIM");
  request.from = read_range_end(args, args.take(), RangeEnd::start);
  while (args.more()) {
    if (args.left() >= 2 && args.eat("COUNT")) {
      request.most = args.integer_between(1, kMostCount, errors::xautoclaim_count);
    } else if (args.eat("JUSTID")) {
      request.how.only_ids = true;
    } else {
      args.fail(errors::syntax);
    }
  }
  return request;
}

// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID] -> where to go on, what
// was claimed, and the ids of what is gone.
void xautoclaim(Call& call) {
  Args args = call.args_from(4);
  const AutoClaimRequest request = read_auto_claim(args, stream_now_ms(call));
  if (!args.finish()) return call.reply.error(args.problem());
  update_claimed_group(call, [&](Stream& stream, StreamGroup& group) {
    StreamConsumer& consumer = see_consumer(call, group, call.word(3), call.word(1));
    std::vector<StreamId> claimed;
    std::vector<StreamId> gone;
    const StreamGroup::Pending& pending = group.pending();
    auto at = pending.lower_bound(request.from);
    std::int64_t attempts = request.most * kLookedAtForEach;
    for (std::int64_t left = request.most; left > 0 && attempts > 0 && at != pending.end();
         --attempts) {
      const StreamId id = (at++)->first;
      const Claimed result = claim(request.how, stream, group, consumer, id, false);
      if (result == Claimed::no) continue;
      (result == Claimed::yes ? claimed : gone).push_back(id);
      --left;
    }
    call.reply.array(3);
    say_stream_id(call.reply, at == pending.end() ? StreamId::lowest() : at->first);
    say_claimed(call.reply, request.how, stream, claimed);
    call.reply.array(gone.size());
    for (const StreamId id : gone) say_stream_id(call.reply, id);
  });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "XPENDING",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads,
     .run = xpending,
     .summary = "What a group was given and has not acknowledged",
     .since = "5.0.0",
     .syntax = "key group:string [[IDLE min-idle-time:integer] start:string end:string "
               "count:integer [consumer:string]]",
     .complexity = "O(N) where N is the number of pending entries looked at",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "XCLAIM",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | fast,
     .run = xclaim,
     .summary = "Take over pending entries from other consumers",
     .since = "5.0.0",
     .syntax = "key group:string consumer:string min-idle-time:string id:string [id:string ...] "
               "[IDLE ms:integer] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] "
               "[JUSTID] [LASTID lastid:string]",
     .complexity = "O(log N) for each id, where N is the number of pending entries",
     .tips = "nondeterministic_output",
     .access = Access::rw | Access::update},
    {.name = "XAUTOCLAIM",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | fast,
     .run = xautoclaim,
     .summary = "Take over what has been pending for long, on from an id",
     .since = "6.2.0",
     .syntax = "key group:string consumer:string min-idle-time:string start:string [COUNT count] "
               "[JUSTID]",
     .complexity = "O(1) if COUNT is small",
     .tips = "nondeterministic_output",
     .access = Access::rw | Access::remove},
};

}  // namespace

const Family stream_claims{"stream", table};

}  // namespace larder::server
