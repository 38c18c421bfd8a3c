// Sorted sets, one member at a time: adding, removing, asking for scores and ranks, popping from
// the ends, drawing by chance. Ranges are zset_ranges.cc's, unions and their kin zset_algebra.cc's.
//
// Every command is one visit of one key; only ZMPOP looks at several, held together, and takes from
// the first that has members. All scores of a ZADD are read before the key is looked at, so that it
// adds all its members or none.
// ZSCAN visits in steps (collection_scan.h); a count of members that ZRANDMEMBER may repeat has a
// bound (kMostDraws), since nothing else ends its reply. Thread: loop.
#include "server/commands/zsets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <unordered_set>

#include "protocol/numbers.h"
#include "server/commands/collection_scan.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::Scored;
using storage::Slot;
using storage::Type;
using storage::Value;
using storage::ZsetEdit;
using storage::ZsetView;

constexpr std::int64_t kMostCount = std::numeric_limits<std::int64_t>::max();
// As many as ZRANDMEMBER repeats members in one reply: some fifty milliseconds.
constexpr std::size_t kMostDraws = 1 << 20;

// What came of adding one member.
struct Added {
  enum Kind : std::uint8_t { refused, same, changed, added, not_a_number };
  Kind kind;
  double score = 0;
};

// GT, LT and INCR, which ZADD has and GEOADD has not.
bool eat_increment(Args& args, AddOptions& options) {
  if (args.eat("GT")) return options.only_greater = true;
  if (args.eat("LT")) return options.only_less = true;
  if (args.eat("INCR")) return options.increments = true;
  return false;
}

// Of options and `words` behind them: empty when they go together.
std::string_view problem_of(const AddOptions& options, std::size_t words) {
  if (words == 0 || words % 2 != 0) return errors::syntax;
  if (options.only_new && options.only_there) return errors::zadd_nx_and_xx;
  if (static_cast<int>(options.only_new) + options.only_greater + options.only_less > 1) {
    return errors::zadd_gt_lt_nx;
  }
  if (options.increments && words > 2) return errors::zadd_incr_pairs;
  return {};
}

Added add_member(ZsetEdit edit, const AddOptions& options, std::string_view member, double score) {
  const ZsetEdit::Found found = edit.find(member);
  const std::optional<double>& before = found.score;
  if (!before) {
    if (options.only_there) return {Added::refused};
    edit.put(member, score, found);
    return {Added::added, score};
  }
  if (options.only_new) return {Added::refused};
  if (options.increments) score += *before;
  if (std::isnan(score)) return {Added::not_a_number};
  if (options.only_less && score >= *before) return {Added::refused};
  if (options.only_greater && score <= *before) return {Added::refused};
  if (score == *before) return {Added::same, score};
  edit.put(member, score, found);
  return {Added::changed, score};
}

// ZADD key [options] score member [score member ...], and ZINCRBY with its option set.
void add(Call& call, AddOptions options) {
  Args args = call.args_from(2);
  while (options.eat(args) || eat_increment(args, options)) {
  }
  const Words pairs = args.rest();
  const std::string_view problem = problem_of(options, pairs.size());
  if (!problem.empty()) return call.reply.error(problem);
  std::vector<NewMember> members;
  members.reserve(pairs.size() / 2);
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    const auto score = protocol::parse_double(pairs[i]);
    if (!score) return call.reply.error(errors::not_a_float);
    members.push_back({pairs[i + 1], *score});
  }
  add_members(call, options, members);
}

void zadd(Call& call) {
  add(call, {});
}

void zincrby(Call& call) {
  add(call, {.increments = true});
}

// ZREM key member [member ...] -> how many there were.
void zrem(Call& call) {
  const auto absent = [&] { call.reply.integer(0); };
  update_zset(call, absent, [&](Slot& slot) {
    ZsetEdit edit(slot);
    std::int64_t removed = 0;
    for (std::size_t i = 2; i < call.words.size() && slot.is_present(); ++i) {
      removed += edit.remove(call.word(i));
    }
    if (removed > 0) tell_removal(call, slot, EventClass::zset, "zrem");
    call.reply.integer(removed);
  });
}

void say_score(Reply& reply, std::optional<double> score) {
  score ? reply.number(*score) : reply.null();
}

void zscore(Call& call) {
  const auto absent = [&] { call.reply.null(); };
  read_zset(call, absent,
            [&](const ZsetView& view) { say_score(call.reply, view.score(call.word(2))); });
}

void zmscore(Call& call) {
  const Words members = call.words.subspan(2);
  const auto absent = [&] {
    call.reply.array(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) call.reply.null();
  };
  read_zset(call, absent, [&](const ZsetView& view) {
    call.reply.array(members.size());
    for (const std::string_view member : members) say_score(call.reply, view.score(member));
  });
}

void zcard(Call& call) {
  const auto absent = [&] { call.reply.integer(0); };
  read_zset(call, absent, [&](const ZsetView& view) {
    call.reply.integer(static_cast<std::int64_t>(view.size()));
  });
}

// Z[REV]RANK key member [WITHSCORE] -> its rank, with its score if asked, or null.
void say_rank(Call& call, bool from_end) {
  if (call.words.size() > 4) {
    return call.reply.error(errors::wrong_arity(from_end ? "zrevrank" : "zrank"));
  }
  Args args = call.args_from(3);
  const bool wants_score = args.eat("WITHSCORE");
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { wants_score ? call.reply.null_array() : call.reply.null(); };
  read_zset(call, absent, [&](const ZsetView& view) {
    const auto place = view.place(call.word(2));
    if (!place) return absent();
    if (wants_score) call.reply.array(2);
    const std::size_t rank = from_end ? view.size() - 1 - place->rank : place->rank;
    call.reply.integer(static_cast<std::int64_t>(rank));
    if (wants_score) call.reply.number(place->score);
  });
}

void zrank(Call& call) {
  say_rank(call, false);
}

void zrevrank(Call& call) {
  say_rank(call, true);
}

// ZPOPMIN key [count]. A count makes it a list of pairs in RESP3.
void pop_end(Call& call, ZsetEnd end) {
  if (call.words.size() > 3) return call.reply.error(errors::syntax);
  Args args = call.args_from(2);
  const bool has_count = args.more();
  const std::int64_t most = has_count ? args.integer_between(0, kMostCount, errors::not_positive)
                                      : 1;
  if (!args.finish()) return call.reply.error(args.problem());
  const Telling telling = has_count ? with_scores(call) : Telling::flat;
  const auto absent = [&] { call.reply.array(0); };
  update_zset(call, absent, [&](Slot& slot) {
    if (most == 0) return absent();
    say_members(call.reply, telling, pop_members(call, slot, end, static_cast<std::size_t>(most)));
  });
}

void zpopmin(Call& call) {
  pop_end(call, ZsetEnd::min);
}

void zpopmax(Call& call) {
  pop_end(call, ZsetEnd::max);
}

// ZMPOP numkeys key [key ...] MIN|MAX [COUNT count] -> a key and what was taken there, or null.
void zmpop(Call& call) {
  Args args = call.args_from(1);
  const PopRequest request = read_pop_request(args, kZsetEnds);
  if (!args.finish()) return call.reply.error(args.problem());
  pop_from_first(call, Type::zset, request, [&](Slot& slot) {
    say_members(call.reply, Telling::paired,
                pop_members(call, slot, end_of(request), request.most));
  });
}

std::size_t draw_below(Call& call, std::size_t end) {
  return std::uniform_int_distribution<std::size_t>(0, end - 1)(call.lane.chance);
}

void say_at(Call& call, const ZsetView& view, Telling telling, std::size_t rank) {
  const ZsetView::Cursor cursor = view.at(rank);
  say_member(call.reply, telling, cursor.member(), cursor.score());
}

// `count` different ranks of so many, each choice as likely as the others (R. Floyd's sampling).
std::vector<std::size_t> draw_different(Call& call, std::size_t count, std::size_t size) {
  std::unordered_set<std::size_t> drawn;
  std::vector<std::size_t> ranks;
  ranks.reserve(count);
  for (std::size_t last = size - count; last < size; ++last) {
    const std::size_t rank = draw_below(call, last + 1);
    ranks.push_back(drawn.insert(rank).second ? rank : *drawn.insert(last).first);
  }
  return ranks;
}

void say_drawn(Call& call, const ZsetView& view, Telling telling, std::int64_t count) {
  if (count < 0) {
    const auto draws = static_cast<std::size_t>(-count);
    if (draws > kMostDraws) return call.reply.error(errors::out_of_range);
    say_members_head(call.reply, telling, draws);
    for (std::size_t i = 0; i < draws; ++i) {
      say_at(call, view, telling, draw_below(call, view.size()));
    }
    return;
  }
  const std::size_t most = std::min(static_cast<std::size_t>(count), view.size());
  say_members_head(call.reply, telling, most);
  if (most == view.size()) {
    return view.each(view.all(), true, [&](const Bytes& member, double score) {
      say_member(call.reply, telling, member, score);
    });
  }
  for (const std::size_t rank : draw_different(call, most, view.size())) {
    say_at(call, view, telling, rank);
  }
}

// ZRANDMEMBER key [count [WITHSCORES]]. A negative count: so many draws, the same may come again.
void zrandmember(Call& call) {
  if (call.words.size() == 2) {
    const auto absent = [&] { call.reply.null(); };
    return read_zset(call, absent, [&](const ZsetView& view) {
      say_at(call, view, Telling::members, draw_below(call, view.size()));
    });
  }
  Args args = call.args_from(2);
  const std::int64_t count = args.integer();
  if (count < -kMostCount) args.fail(errors::out_of_range_between(-kMostCount, kMostCount));
  const bool wants_scores = args.more() && args.eat("WITHSCORES");
  if (wants_scores && args.left() == 0 && std::abs(count) > kMostCount / 2) {
    args.fail(errors::out_of_range);
  }
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.array(0); };
  read_zset(call, absent, [&](const ZsetView& view) {
    say_drawn(call, view, wants_scores ? with_scores(call) : Telling::members, count);
  });
}

std::uint64_t walk_members(const Value& value, std::uint64_t cursor, std::size_t count,
                           ScanFound& found) {
  return ZsetView(value).scan(cursor, count, [&](const Bytes& member, double score) {
    if (!found.admits(member)) return;
    char text[protocol::kDoubleChars];
    found.add(member);
    found.add(std::string_view(text, protocol::write_double(text, score)));
  });
}

void zscan(Call& call) {
  scan_collection(call, Type::zset, walk_members);
}

using enum Flag;

constexpr Command table[] = {
    {.name = "ZADD",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = zadd,
     .summary = "Add members to a sorted set, or give them other scores",
     .since = "1.2.0",
     .syntax = "key [NX|XX] [GT|LT] [CH] [INCR] score:double member [score:double member ...]",
     .complexity = "O(log N) for each member",
     .access = Access::rw | Access::update},
    {.name = "ZINCRBY",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = zincrby,
     .summary = "Add to the score of a member",
     .since = "1.2.0",
     .syntax = "key increment member",
     .complexity = "O(log N)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "ZREM",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = zrem,
     .summary = "Remove members from a sorted set",
     .since = "1.2.0",
     .syntax = "key member [member ...]",
     .complexity = "O(log N) for each member",
     .access = Access::rw | Access::remove},
    {.name = "ZSCORE",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zscore,
     .summary = "The score of a member",
     .since = "1.2.0",
     .syntax = "key member",
     .complexity = "O(1)"},
    {.name = "ZMSCORE",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zmscore,
     .summary = "The scores of several members",
     .since = "6.2.0",
     .syntax = "key member [member ...]",
     .complexity = "O(M) where M is the number of members asked for"},
    {.name = "ZCARD",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zcard,
     .summary = "How many members a sorted set has",
     .since = "1.2.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "ZRANK",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zrank,
     .summary = "How many members lie before one, from the lowest score",
     .since = "2.0.0",
     .syntax = "key member [WITHSCORE]",
     .complexity = "O(log N)"},
    {.name = "ZREVRANK",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = zrevrank,
     .summary = "How many members lie before one, from the highest score",
     .since = "2.0.0",
     .syntax = "key member [WITHSCORE]",
     .complexity = "O(log N)"},
    {.name = "ZPOPMIN",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = zpopmin,
     .summary = "Take out the members with the lowest scores",
     .since = "5.0.0",
     .syntax = "key [count]",
     .complexity = "O(log N + M) where M is the number of members taken",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "ZPOPMAX",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = zpopmax,
     .summary = "Take out the members with the highest scores",
     .since = "5.0.0",
     .syntax = "key [count]",
     .complexity = "O(log N + M) where M is the number of members taken",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "ZMPOP",
     .arity = at_least(4),
     .keys = counted_at(1),
     .flags = writes,
     .run = zmpop,
     .summary = "Take members out of the first of several sorted sets that has any",
     .since = "7.0.0",
     .syntax = "numkeys key [key ...] <MIN|MAX> [COUNT count]",
     .complexity = "O(K + log N + M) where K is the number of keys and M that of members taken",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "ZRANDMEMBER",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads,
     .run = zrandmember,
     .summary = "Members of a sorted set, drawn by chance",
     .since = "6.2.0",
     .syntax = "key [count [WITHSCORES]]",
     .complexity = "O(M log N) where M is the number of members drawn",
     .tips = "nondeterministic_output"},
    {.name = "ZSCAN",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads,
     .run = zscan,
     .summary = "Some of the members with their scores, and a cursor with which to go on",
     .since = "2.8.0",
     .syntax = "key cursor [MATCH pattern] [COUNT count]",
     .complexity = "O(COUNT)",
     .tips = "nondeterministic_output"},
};

}  // namespace

void add_members(Call& call, const AddOptions& options, std::span<const NewMember> members) {
  change_collection(call, Type::zset, [&](Slot& slot) {
    ZsetEdit edit(slot);
    std::size_t longest = 0;
    for (const NewMember& member : members) longest = std::max(longest, member.name.size());
    if (!options.only_there) edit.expect(members.size(), longest);
    std::int64_t added = 0;
    std::int64_t changed = 0;
    Added last{Added::refused};
    for (const NewMember& member : members) {
      last = add_member(edit, options, member.name, member.score);
      if (last.kind == Added::not_a_number) return call.reply.error(errors::score_not_a_number);
      added += last.kind == Added::added;
      changed += last.kind == Added::changed;
    }
    if (added + changed > 0) {
      call.event(EventClass::zset, options.increments ? "zincr" : "zadd", call.key_bytes());
    }
    if (!options.increments) {
      return call.reply.integer(options.counts_changed ? added + changed : added);
    }
    last.kind == Added::refused ? call.reply.null() : call.reply.number(last.score);
  });
}

void say_members_head(Reply& reply, Telling telling, std::size_t count) {
  reply.array(telling == Telling::flat ? 2 * count : count);
}

void say_member(Reply& reply, Telling telling, const Bytes& member, double score) {
  if (telling == Telling::paired) reply.array(2);
  answer_bytes(reply, member);
  if (telling != Telling::members) reply.number(score);
}

void say_members(Reply& reply, Telling telling, const std::vector<Scored>& members) {
  say_members_head(reply, telling, members.size());
  for (const Scored& scored : members) {
    say_member(reply, telling, Bytes(std::string_view(scored.member)), scored.score);
  }
}

void store_members(Call& call, Slot& slot, const std::vector<Scored>& members,
                   std::string_view event) {
  const bool was_present = slot.is_present();
  ZsetEdit::store(slot, members);
  tell_stored(call, slot, was_present, members.size(), EventClass::zset, event);
}

std::vector<Scored> pop_members(const Call& call, Slot& slot, ZsetEnd end, std::size_t most) {
  const ZsetView view(*slot.value());
  const std::size_t size = view.size();
  const std::size_t count = std::min(most, size);
  const bool from_end = end == ZsetEnd::max;
  const storage::RankRange ranks = from_end ? storage::RankRange{size - count, size}
                                            : storage::RankRange{0, count};
  std::vector<Scored> popped;
  popped.reserve(count);
  view.each(ranks, from_end, [&](const Bytes& member, double score) {
    popped.push_back({member.to_string(), score});
  });
  ZsetEdit(slot).remove(ranks);
  tell_removal(call, slot, EventClass::zset, from_end ? "zpopmax" : "zpopmin");
  return popped;
}

const Family zsets{"sorted-set", table};

}  // namespace larder::server
