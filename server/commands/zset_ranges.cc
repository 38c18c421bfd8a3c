// Ranges of sorted sets: by rank, by score, by name; told, counted, removed, or stored under
// another key.
//
// The ten commands that tell a range (ZRANGE, ZREVRANGEBYSCORE...) are one: they differ in what
// their row has decided already. Whatever the range is given in, it becomes a range of ranks in one
// place (ranks_of), LIMIT included; so everything that is done to a range is done to ranks.
//
// A range is told, or collected, in one visit, however long it is. Numbers are judged before the
// key is looked at, and options before numbers, as in Redis. Thread: loop.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <variant>

#include "server/commands/zsets.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::NameBound;
using storage::NameRange;
using storage::RankRange;
using storage::Scored;
using storage::ScoreRange;
using storage::Slot;
using storage::ZsetEdit;
using storage::ZsetView;

// Ranks as the user counts them: the last is included, negative ones count from the end.
struct UserRanks {
  std::int64_t first;
  std::int64_t last;
};
using Span = std::variant<UserRanks, ScoreRange, NameRange>;
enum class By : std::uint8_t { rank, score, name };

struct ScoreBound {
  double score;
  bool excludes;
};

// `1.5`, `(1.5`, `-inf`: as C's strtod reads it, so that spaces in front and nothing at all (0) are
// numbers.
std::optional<ScoreBound> parse_score_bound(std::string_view word) {
  const bool excludes = word.starts_with('(');
  const std::string text(word.substr(excludes ? 1 : 0));
  char* end = nullptr;
  const double score = std::strtod(text.c_str(), &end);
  if (*end != '\0' || std::isnan(score)) return std::nullopt;
  return ScoreBound{score, excludes};
}

std::optional<NameBound> parse_name_bound(std::string_view word) {
  using Kind = NameBound::Kind;
  if (word == "-") return NameBound{Kind::lowest};
  if (word == "+") return NameBound{Kind::highest};
  if (!word.starts_with('(') && !word.starts_with('[')) return std::nullopt;
  return NameBound{Kind::at, word[0] == '(', word.substr(1)};
}

// The two ends of a range, the lower one first; any problem is latched in `args`.
Span read_span(Args& args, By by, std::string_view min, std::string_view max) {
  if (by == By::score) {
    const auto from = parse_score_bound(min);
    const auto to = parse_score_bound(max);
    if (from && to) return ScoreRange{from->score, to->score, from->excludes, to->excludes};
    args.fail(errors::score_range);
  } else if (by == By::name) {
    const auto from = parse_name_bound(min);
    const auto to = parse_name_bound(max);
    if (from && to) return NameRange{*from, *to};
    args.fail(errors::name_range);
  } else {
    const auto from = storage::strict_integer(min);
    const auto to = storage::strict_integer(max);
    if (from && to) return UserRanks{*from, *to};
    args.fail(errors::not_an_integer);
  }
  return UserRanks{0, -1};
}

RankRange ranks_of(const ZsetView& view, const UserRanks& ranks) {
  const auto size = static_cast<std::int64_t>(view.size());
  const std::int64_t first =
      std::max<std::int64_t>(ranks.first < 0 ? ranks.first + size : ranks.first, 0);
  const std::int64_t last = std::min(ranks.last < 0 ? ranks.last + size : ranks.last, size - 1);
  if (first > last) return {};
  return {static_cast<std::size_t>(first), static_cast<std::size_t>(last) + 1};
}

RankRange ranks_of(const ZsetView& view, const ScoreRange& range) {
  return view.ranks(range);
}

RankRange ranks_of(const ZsetView& view, const NameRange& range) {
  return view.ranks(range);
}

RankRange ranks_of(const ZsetView& view, const Span& span) {
  return std::visit([&](const auto& range) { return ranks_of(view, range); }, span);
}

// What a command of this file is to find, in which order.
struct Query {
  Span span = UserRanks{0, -1};
  bool backwards = false;
  bool wants_scores = false;
  std::int64_t offset = 0;
  std::int64_t most = -1;  // negative: all

  // The ranks in this query, all limits applied.
  RankRange find(const ZsetView& view) const {
    RankRange ranks = ranks_of(view, span);
    if (const auto* user = std::get_if<UserRanks>(&span); user != nullptr && backwards) {
      // They were counted from the end.
      ranks = {view.size() - ranks.end, view.size() - ranks.first};
    }
    std::size_t left = ranks.count();
    if (left == 0 || offset < 0) return {};
    const std::size_t skipped = std::min(left, static_cast<std::size_t>(offset));
    left -= skipped;
    if (most >= 0) left = std::min(left, static_cast<std::size_t>(most));
    if (backwards) return {ranks.end - skipped - left, ranks.end - skipped};
    return {ranks.first + skipped, ranks.first + skipped + left};
  }
};

// What a row says of its command; nothing where the words decide, once.
struct Form {
  std::optional<By> by;
  std::optional<bool> backwards;
  bool stores = false;
};

// min max [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES] at the cursor.
Query read_query(Args& args, Form form) {
  Query query;
  std::string_view min = args.take();
  std::string_view max = args.take();
  while (args.more()) {
    if (!form.stores && args.eat("WITHSCORES")) {
      query.wants_scores = true;
    } else if (args.left() >= 3 && args.eat("LIMIT")) {
      query.offset = args.integer();
      query.most = args.integer();
    } else if (!form.backwards && args.eat("REV")) {
      form.backwards = true;
    } else if (!form.by && args.eat("BYLEX")) {
      form.by = By::name;
    } else if (!form.by && args.eat("BYSCORE")) {
      form.by = By::score;
    } else {
      args.fail(errors::syntax);
    }
  }
  const By by = form.by.value_or(By::rank);
  query.backwards = form.backwards.value_or(false);
  if (query.most != -1 && by == By::rank) args.fail(errors::limit_needs_range);
  if (query.wants_scores && by == By::name) args.fail(errors::scores_of_names);
  if (args.failed()) return query;
  if (query.backwards && by != By::rank) std::swap(min, max);
  query.span = read_span(args, by, min, max);
  if (by == By::rank) query.offset = 0;
  return query;
}

void say_range(Call& call, const Form& form) {
  Args args = call.args_from(2);
  const Query query = read_query(args, form);
  if (!args.finish()) return call.reply.error(args.problem());
  const Telling telling = query.wants_scores ? with_scores(call) : Telling::members;
  const auto absent = [&] { call.reply.array(0); };
  read_zset(call, absent, [&](const ZsetView& view) {
    const RankRange ranks = query.find(view);
    say_members_head(call.reply, telling, ranks.count());
    view.each(ranks, query.backwards, [&](const Bytes& member, double score) {
      say_member(call.reply, telling, member, score);
    });
  });
}

void zrange(Call& call) {
  say_range(call, {});
}

void zrevrange(Call& call) {
  say_range(call, {.by = By::rank, .backwards = true});
}

void zrangebyscore(Call& call) {
  say_range(call, {.by = By::score, .backwards = false});
}

void zrevrangebyscore(Call& call) {
  say_range(call, {.by = By::score, .backwards = true});
}

void zrangebylex(Call& call) {
  say_range(call, {.by = By::name, .backwards = false});
}

void zrevrangebylex(Call& call) {
  say_range(call, {.by = By::name, .backwards = true});
}

// ZRANGESTORE dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count] -> how many there are now.
void zrangestore(Call& call) {
  Args args = call.args_from(3);
  const Query query = read_query(args, {.by = {}, .backwards = {}, .stores = true});
  if (!args.finish()) return call.reply.error(args.problem());
  const Key names[] = {call.key(1), call.key(2)};
  storage::Keyspace::Several several(call.keys, names);
  std::vector<Scored> found;
  const bool is_zset = several->read(names[1], [&](const storage::Value* source) {
    if (is_other_type(source, storage::Type::zset)) return false;
    if (source == nullptr) return true;
    const ZsetView view(*source);
    view.each(query.find(view), false, [&](const Bytes& member, double score) {
      found.push_back({member.to_string(), score});
    });
    return true;
  });
  if (!is_zset) return call.reply.error(errors::wrong_type);
  several->update(names[0],
                  [&](Slot& target) { store_members(call, target, found, "zrangestore"); });
}

void count_range(Call& call, By by) {
  Args args = call.args_from(4);
  const Span span = read_span(args, by, call.word(2), call.word(3));
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.integer(0); };
  read_zset(call, absent, [&](const ZsetView& view) {
    call.reply.integer(static_cast<std::int64_t>(ranks_of(view, span).count()));
  });
}

void zcount(Call& call) {
  count_range(call, By::score);
}

void zlexcount(Call& call) {
  count_range(call, By::name);
}

void remove_range(Call& call, By by, std::string_view event) {
  Args args = call.args_from(4);
  const Span span = read_span(args, by, call.word(2), call.word(3));
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.integer(0); };
  update_zset(call, absent, [&](Slot& slot) {
    const RankRange ranks = ranks_of(ZsetView(*slot.value()), span);
    if (ranks.count() > 0) {
      ZsetEdit(slot).remove(ranks);
      tell_removal(call, slot, EventClass::zset, event);
    }
    call.reply.integer(static_cast<std::int64_t>(ranks.count()));
  });
}

void zremrangebyrank(Call& call) {
  remove_range(call, By::rank, "zremrangebyrank");
}

void zremrangebyscore(Call& call) {
  remove_range(call, By::score, "zremrangebyscore");
}

void zremrangebylex(Call& call) {
  remove_range(call, By::name, "zremrangebylex");
}

using enum Flag;

constexpr std::string_view kRangeCost =
    "O(log N + M) where M is the number of members told, stored or removed";

constexpr Command table[] = {
    {.name = "ZRANGE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = zrange,
     .summary = "A range of a sorted set, by rank, score or name, in either order",
     .since = "1.2.0",
     .syntax = "key start:string stop:string [BYSCORE|BYLEX] [REV] [LIMIT offset count] "
               "[WITHSCORES]",
     .complexity = kRangeCost},
    {.name = "ZREVRANGE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = zrevrange,
     .summary = "A range by rank, from the highest score",
     .since = "1.2.0",
     .syntax = "key start stop [WITHSCORES]",
     .complexity = kRangeCost},
    {.name = "ZRANGEBYSCORE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = zrangebyscore,
     .summary = "The members whose scores are in a range, from the lowest",
     .since = "1.0.5",
     .syntax = "key min:double max:double [WITHSCORES] [LIMIT offset count]",
     .complexity = kRangeCost},
    {.name = "ZREVRANGEBYSCORE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = zrevrangebyscore,
     .summary = "The members whose scores are in a range, from the highest",
     .since = "2.2.0",
     .syntax = "key max:double min:double [WITHSCORES] [LIMIT offset count]",
     .complexity = kRangeCost},
    {.name = "ZRANGEBYLEX",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = zrangebylex,
     .summary = "The members between two names, where all scores are the same",
     .since = "2.8.9",
     .syntax = "key min max [LIMIT offset count]",
     .complexity = kRangeCost},
    {.name = "ZREVRANGEBYLEX",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = zrevrangebylex,
     .summary = "The members between two names, backwards, where all scores are the same",
     .since = "2.8.9",
     .syntax = "key max min [LIMIT offset count]",
     .complexity = kRangeCost},
    {.name = "ZRANGESTORE",
     .arity = at_least(5),
     .keys = two_keys(),
     .flags = writes | may_grow,
     .run = zrangestore,
     .summary = "Store a range of a sorted set under another key",
     .since = "6.2.0",
     .syntax = "dst:key src:key min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]",
     .complexity = kRangeCost,
     .access = Access::ow | Access::update,
     .second_access = Access::ro | Access::access},
    {.name = "ZCOUNT",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zcount,
     .summary = "How many members have scores in a range",
     .since = "2.0.0",
     .syntax = "key min:double max:double",
     .complexity = "O(log N)"},
    {.name = "ZLEXCOUNT",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zlexcount,
     .summary = "How many members lie between two names, where all scores are the same",
     .since = "2.8.9",
     .syntax = "key min max",
     .complexity = "O(log N)"},
    {.name = "ZREMRANGEBYRANK",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes,
     .run = zremrangebyrank,
     .summary = "Remove a range of members by rank",
     .since = "2.0.0",
     .syntax = "key start stop",
     .complexity = kRangeCost,
     .access = Access::rw | Access::remove},
    {.name = "ZREMRANGEBYSCORE",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes,
     .run = zremrangebyscore,
     .summary = "Remove the members whose scores are in a range",
     .since = "1.2.0",
     .syntax = "key min:double max:double",
     .complexity = kRangeCost,
     .access = Access::rw | Access::remove},
    {.name = "ZREMRANGEBYLEX",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes,
     .run = zremrangebylex,
     .summary = "Remove the members between two names, where all scores are the same",
     .since = "2.8.9",
     .syntax = "key min max",
     .complexity = kRangeCost,
     .access = Access::rw | Access::remove},
};

}  // namespace

const Family zset_ranges{"sorted-set", table};

}  // namespace larder::server
