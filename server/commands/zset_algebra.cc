// Unions, intersections and differences of sorted sets and sets, told, stored or counted.
//
// The eight commands are one function: their rows' words differ in where the keys begin and which
// options there are. All keys are held together. They are looked up twice: the first look counts,
// and drops what has expired; only then do views of the values last (Operand).
//
// Scores are summed in the order in which Redis sums them (the smallest operand first), or the last
// digit would differ. A result is put together beside the store and sorted at its end.
// Cost: memory for the result while it is made; time with all shards of the keys held.
// Thread: loop.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "server/commands/zsets.h"
#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "storage/types/set.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::Keyspace;
using storage::Scored;
using storage::Slot;
using storage::Type;
using storage::Value;
using storage::ZsetView;

enum class Operation : std::uint8_t { unite, intersect, subtract };
enum class Aggregate : std::uint8_t { sum, min, max };

// A sorted set, a set, whose members score 1 each, or nothing; as long as all keys are held and
// none is changed.
class Operand {
 public:
  Operand(const Value* value, double weight) : weight_(weight) {
    if (value == nullptr) return;
    if (value->type() == Type::set) {
      set_.emplace(*value);
    } else {
      zset_.emplace(*value);
    }
  }

  std::size_t size() const { return zset_ ? zset_->size() : set_ ? set_->size() : 0; }
  bool has(std::string_view member) const { return score(member).has_value(); }
  std::optional<double> score(std::string_view member) const {
    if (set_) return set_->has(member) ? std::optional(weight_) : std::nullopt;
    const auto score = zset_ ? zset_->score(member) : std::nullopt;
    return score ? std::optional(*score * weight_) : std::nullopt;
  }
  // visit(member, score) while it is true.
  template <class Visitor>
  void each_while(Visitor&& visit) const {
    Bytes::Digits digits;
    bool goes_on = true;
    if (set_) {
      set_->each_while([&](const Bytes& member) {
        goes_on = goes_on && visit(member.text(digits), weight_);
        return goes_on;
      });
    }
    if (!zset_) return;
    ZsetView::Cursor cursor = zset_->at(0);
    for (std::size_t left = size(); visit(cursor.member().text(digits), weighed(cursor.score()));) {
      if (--left == 0) return;
      cursor.advance();
    }
  }

 private:
  // Nothing times infinity is nothing.
  double weighed(double score) const {
    const double product = score * weight_;
    return std::isnan(product) ? 0 : product;
  }

  std::optional<ZsetView> zset_;
  std::optional<storage::SetView> set_;
  double weight_;
};

bool is_operand(const Value* value) {
  return !is_other_type(value, Type::zset) || value->type() == Type::set;
}

// What a command is asked to do.
struct Request {
  std::vector<Key> keys;
  std::vector<double> weights = {};
  Aggregate aggregate = Aggregate::sum;
  bool wants_scores = false;
  std::size_t most = std::numeric_limits<std::size_t>::max();  // of a count
};

// What its row has decided.
struct Form {
  Operation operation;
  bool stores = false;
  bool counts = false;
};

void aggregate_into(double& sum, double score, Aggregate aggregate) {
  switch (aggregate) {
    case Aggregate::sum:
      sum += score;
      if (std::isnan(sum)) sum = 0;  // the infinities cancel each other
      return;
    case Aggregate::min: sum = std::min(sum, score); return;
    case Aggregate::max: sum = std::max(sum, score); return;
  }
}

std::vector<Scored> unite(const std::vector<Operand>& operands, Aggregate aggregate) {
  std::unordered_map<std::string, double> scores;
  for (const Operand& operand : operands) {
    operand.each_while([&](std::string_view member, double score) {
      const auto [found, is_new] = scores.try_emplace(std::string(member), score);
      if (!is_new) aggregate_into(found->second, score, aggregate);
      return true;
    });
  }
  std::vector<Scored> result;
  result.reserve(scores.size());
  while (!scores.empty()) {
    auto node = scores.extract(scores.begin());
    result.push_back({std::move(node.key()), node.mapped()});
  }
  return result;
}

std::vector<Scored> intersect(const std::vector<Operand>& operands, Aggregate aggregate,
                              std::size_t most) {
  std::vector<Scored> result;
  operands[0].each_while([&](std::string_view member, double score) {
    for (std::size_t i = 1; i < operands.size(); ++i) {
      const auto other = operands[i].score(member);
      if (!other) return true;
      aggregate_into(score, *other, aggregate);
    }
    result.push_back({std::string(member), score});
    return result.size() < most;
  });
  return result;
}

std::vector<Scored> subtract(const std::vector<Operand>& operands) {
  std::vector<Scored> result;
  operands[0].each_while([&](std::string_view member, double score) {
    const auto has = [&](const Operand& other) { return other.has(member); };
    if (std::none_of(operands.begin() + 1, operands.end(), has)) {
      result.push_back({std::string(member), score});
    }
    return true;
  });
  return result;
}

std::vector<Scored> result_of(std::vector<Operand>& operands, Operation operation,
                              const Request& request) {
  if (operation == Operation::subtract) return subtract(operands);
  std::stable_sort(operands.begin(), operands.end(),
                   [](const Operand& a, const Operand& b) { return a.size() < b.size(); });
  return operation == Operation::unite ? unite(operands, request.aggregate)
                                       : intersect(operands, request.aggregate, request.most);
}

// numkeys key [key ...] at the cursor.
Request read_keys(const Call& call, Args& args) {
  Request request;
  const std::int64_t count = args.integer();
  if (count < 1) {
    args.fail(errors::no_input_keys(call.services.registry.full_name(call.command)));
  }
  if (args.failed()) return request;
  for (const std::string_view name : args.take_words(static_cast<std::size_t>(count))) {
    request.keys.push_back(call.keys.key(name));
  }
  request.weights.assign(request.keys.size(), 1);
  return request;
}

Aggregate read_aggregate(Args& args) {
  if (args.eat("SUM")) return Aggregate::sum;
  if (args.eat("MIN")) return Aggregate::min;
  if (!args.eat("MAX")) args.fail(errors::syntax);
  return Aggregate::max;
}

// [WEIGHTS ...] [AGGREGATE ...] [WITHSCORES], or [LIMIT ...] of a count.
void read_options(Args& args, const Form& form, Request& request) {
  const bool weighs = form.operation != Operation::subtract && !form.counts;
  while (args.more()) {
    if (weighs && args.left() > request.keys.size() && args.eat("WEIGHTS")) {
      for (double& weight : request.weights) weight = args.number(errors::weight_not_a_float);
    } else if (weighs && args.left() >= 2 && args.eat("AGGREGATE")) {
      request.aggregate = read_aggregate(args);
    } else if (!form.stores && !form.counts && args.eat("WITHSCORES")) {
      request.wants_scores = true;
    } else if (form.counts && args.left() >= 2 && args.eat("LIMIT")) {
      constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
      const std::int64_t most = args.integer_between(0, kMost, errors::limit_negative);
      if (most != 0) request.most = static_cast<std::size_t>(most);
    } else {
      args.fail(errors::syntax);
    }
  }
}

// The first look at the keys. False when one holds something else.
bool count_lookups(Keyspace& keys, const std::vector<Key>& names) {
  return std::all_of(names.begin(), names.end(),
                     [&](const Key& name) { return keys.read(name, is_operand); });
}

std::vector<Operand> operands_of(Keyspace& keys, const Request& request) {
  std::vector<Operand> operands;
  for (std::size_t i = 0; i < request.keys.size(); ++i) {
    keys.update(request.keys[i],
                [&](Slot& slot) { operands.emplace_back(slot.value(), request.weights[i]); });
  }
  return operands;
}

void combine(Call& call, const Form& form, std::string_view event = {}) {
  Args args = call.args_from(form.stores ? 2 : 1);
  Request request = read_keys(call, args);
  if (args.failed()) return call.reply.error(args.problem());
  std::vector<Key> held = request.keys;
  if (form.stores) held.push_back(call.key(1));
  Keyspace::Several several(call.keys, held);
  if (!count_lookups(*several, request.keys)) return call.reply.error(errors::wrong_type);
  read_options(args, form, request);
  if (!args.finish()) return call.reply.error(args.problem());

  std::vector<Operand> operands = operands_of(*several, request);
  std::vector<Scored> result = result_of(operands, form.operation, request);
  if (form.counts) return call.reply.integer(static_cast<std::int64_t>(result.size()));
  std::sort(result.begin(), result.end());
  if (!form.stores) {
    const Telling telling = request.wants_scores ? with_scores(call) : Telling::members;
    return say_members(call.reply, telling, result);
  }
  several->update(call.key(1), [&](Slot& slot) { store_members(call, slot, result, event); });
}

void zunion(Call& call) {
  combine(call, {.operation = Operation::unite});
}

void zinter(Call& call) {
  combine(call, {.operation = Operation::intersect});
}

void zdiff(Call& call) {
  combine(call, {.operation = Operation::subtract});
}

void zunionstore(Call& call) {
  combine(call, {.operation = Operation::unite, .stores = true}, "zunionstore");
}

void zinterstore(Call& call) {
  combine(call, {.operation = Operation::intersect, .stores = true}, "zinterstore");
}

void zdiffstore(Call& call) {
  combine(call, {.operation = Operation::subtract, .stores = true}, "zdiffstore");
}

void zintercard(Call& call) {
  combine(call, {.operation = Operation::intersect, .counts = true});
}

using enum Flag;

// The destination is the first word, numkeys the second.
constexpr Keys kDestinationAndCounted{.first = 1, .last = 1, .step = 1, .numkeys = 2};
constexpr std::string_view kUnionCost =
    "O(N)+O(M log M) where N is the sum of the sizes and M the size of the result";
constexpr std::string_view kInterCost =
    "O(N*K)+O(M log M) where N is the smallest size, K the number of keys, M the size of the "
    "result";
constexpr std::string_view kDiffCost =
    "O(N*K)+O(M log M) where N is the size of the first, K the number of keys, M the size of the "
    "result";

constexpr Command table[] = {
    {.name = "ZUNION",
     .arity = at_least(3),
     .keys = counted_at(1),
     .flags = reads,
     .run = zunion,
     .summary = "The members that are in any of several sorted sets, with their scores together",
     .since = "6.2.0",
     .syntax = "numkeys key [key ...] [WEIGHTS weight:integer [weight:integer ...]] "
               "[AGGREGATE <SUM|MIN|MAX>] [WITHSCORES]",
     .complexity = kUnionCost},
    {.name = "ZINTER",
     .arity = at_least(3),
     .keys = counted_at(1),
     .flags = reads,
     .run = zinter,
     .summary = "The members that are in all of several sorted sets, with their scores together",
     .since = "6.2.0",
     .syntax = "numkeys key [key ...] [WEIGHTS weight:integer [weight:integer ...]] "
               "[AGGREGATE <SUM|MIN|MAX>] [WITHSCORES]",
     .complexity = kInterCost},
    {.name = "ZDIFF",
     .arity = at_least(3),
     .keys = counted_at(1),
     .flags = reads,
     .run = zdiff,
     .summary = "The members of the first sorted set that are in none of the others",
     .since = "6.2.0",
     .syntax = "numkeys key [key ...] [WITHSCORES]",
     .complexity = kDiffCost},
    {.name = "ZUNIONSTORE",
     .arity = at_least(4),
     .keys = kDestinationAndCounted,
     .flags = writes | may_grow,
     .run = zunionstore,
     .summary = "Store the union of several sorted sets",
     .since = "2.0.0",
     .syntax = "destination numkeys key [key ...] [WEIGHTS weight:integer [weight:integer ...]] "
               "[AGGREGATE <SUM|MIN|MAX>]",
     .complexity = kUnionCost,
     .access = Access::ow | Access::update,
     .second_access = Access::ro | Access::access},
    {.name = "ZINTERSTORE",
     .arity = at_least(4),
     .keys = kDestinationAndCounted,
     .flags = writes | may_grow,
     .run = zinterstore,
     .summary = "Store the intersection of several sorted sets",
     .since = "2.0.0",
     .syntax = "destination numkeys key [key ...] [WEIGHTS weight:integer [weight:integer ...]] "
               "[AGGREGATE <SUM|MIN|MAX>]",
     .complexity = kInterCost,
     .access = Access::ow | Access::update,
     .second_access = Access::ro | Access::access},
    {.name = "ZDIFFSTORE",
     .arity = at_least(4),
     .keys = kDestinationAndCounted,
     .flags = writes | may_grow,
     .run = zdiffstore,
     .summary = "Store the difference of several sorted sets",
     .since = "6.2.0",
     .syntax = "destination numkeys key [key ...]",
     .complexity = kDiffCost,
     .access = Access::ow | Access::update,
     .second_access = Access::ro | Access::access},
    {.name = "ZINTERCARD",
     .arity = at_least(3),
     .keys = counted_at(1),
     .flags = reads,
     .run = zintercard,
     .summary = "How many members are in all of several sorted sets",
     .since = "7.0.0",
     .syntax = "numkeys key [key ...] [LIMIT limit]",
     .complexity = kInterCost},
};

}  // namespace

const Family zset_algebra{"sorted-set", table};

}  // namespace larder::server
