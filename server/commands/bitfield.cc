// BITFIELD: integers of any width in a string, several operations in one step.
//
// All operations are read and judged before the key is looked at. If one of them may write, the
// string is first made long enough for the farthest of them, even when OVERFLOW FAIL then leaves
// all as it was; so does Redis, and users see it in STRLEN. Thread: loop.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/bit_offset.h"
#include "server/engine/families.h"
#include "storage/slot.h"
#include "storage/types/bitfield.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::FieldType;
using storage::Overflow;
using storage::Slot;
using storage::Value;

enum class Verb : std::uint8_t { get, set, increment };

struct FieldOperation {
  Verb verb;
  FieldType type;
  std::uint64_t first_bit;
  std::int64_t operand;
  Overflow overflow;

  bool writes() const { return verb != Verb::get; }
  std::size_t end_bytes() const { return (first_bit + type.bits - 1) / 8 + 1; }
};

Overflow read_overflow(Args& args) {
  if (args.eat("WRAP")) return Overflow::wrap;
  if (args.eat("SAT")) return Overflow::saturate;
  if (args.eat("FAIL")) return Overflow::fail;
  args.fail(errors::bitfield_overflow);
  return Overflow::wrap;
}

// The verb at the cursor, if as many words follow as it needs.
std::optional<Verb> eat_verb(Args& args) {
  if (args.left() > 2 && args.eat("GET")) return Verb::get;
  if (args.left() > 3 && args.eat("SET")) return Verb::set;
  if (args.left() > 3 && args.eat("INCRBY")) return Verb::increment;
  return std::nullopt;
}

FieldOperation read_operation(Args& args, const Call& call, Verb verb, Overflow overflow) {
  FieldOperation operation{
      .verb = verb, .type = {}, .first_bit = 0, .operand = 0, .overflow = overflow};
  const auto type = storage::parse_field_type(args.take());
  if (!type) args.fail(errors::bitfield_type);
  operation.type = type.value_or(FieldType{false, 1});
  operation.first_bit = read_bit_offset(args, call, operation.type.bits);
  if (operation.writes()) operation.operand = args.integer();
  return operation;
}

std::vector<FieldOperation> read_operations(Args& args, const Call& call) {
  std::vector<FieldOperation> operations;
  Overflow overflow = Overflow::wrap;
  while (args.more()) {
    if (const auto verb = eat_verb(args)) {
      operations.push_back(read_operation(args, call, *verb, overflow));
    } else if (args.left() > 1 && args.eat("OVERFLOW")) {
      overflow = read_overflow(args);
    } else {
      args.fail(errors::syntax);
    }
  }
  return operations;
}

// What one operation answers, and what it wants written.
struct Effect {
  std::optional<std::int64_t> answer;
  std::optional<std::int64_t> written;
};

Effect effect_of(const FieldOperation& operation, std::string_view bytes) {
  const std::int64_t before = storage::field_at(bytes, operation.first_bit, operation.type);
  if (operation.verb == Verb::get) return {before, std::nullopt};
  if (operation.verb == Verb::increment) {
    const auto sum =
        storage::sum_in_field(before, operation.operand, operation.type, operation.overflow);
    return {sum, sum};
  }
  const auto after = storage::fit_in_field(operation.operand, operation.type, operation.overflow);
  if (!after) return {};
  return {before, after};
}

void say(Reply& reply, const Effect& effect) {
  effect.answer ? reply.integer(*effect.answer) : reply.null();
}

void say_all(Reply& reply, const std::vector<FieldOperation>& operations, std::string_view bytes) {
  reply.array(operations.size());
  for (const FieldOperation& operation : operations) say(reply, effect_of(operation, bytes));
}

void run_reads(Call& call, const std::vector<FieldOperation>& operations) {
  call.keys.read(call.key(), [&](const Value* value) {
    if (value != nullptr && !value->is_string()) return call.reply.error(errors::wrong_type);
    Bytes::Digits digits;
    const auto bytes = value == nullptr ? std::string_view() : value->bytes().text(digits);
    say_all(call.reply, operations, bytes);
  });
}

// Whether one of the operations would leave the string other than it is. If none would alone, they
// do not one after the other either.
bool changes(const std::vector<FieldOperation>& operations, std::string_view bytes) {
  return std::any_of(operations.begin(), operations.end(), [&](const FieldOperation& operation) {
    if (!operation.writes()) return false;
    if (operation.end_bytes() > bytes.size()) return true;
    const auto written = effect_of(operation, bytes).written;
    return written && *written != storage::field_at(bytes, operation.first_bit, operation.type);
  });
}

void run_writes(Call& call, const std::vector<FieldOperation>& operations) {
  std::size_t least_bytes = 0;
  for (const FieldOperation& operation : operations) {
    if (operation.writes()) least_bytes = std::max(least_bytes, operation.end_bytes());
  }
  call.keys.update(call.key(), [&](Slot& slot) {
    const Value* value = slot.value();
    if (value != nullptr && !value->is_string()) return call.reply.error(errors::wrong_type);
    Bytes::Digits digits;
    const auto before = value == nullptr ? std::string_view() : value->bytes().text(digits);
    if (!changes(operations, before)) return say_all(call.reply, operations, before);
    const std::span<char> bytes = *slot.open(least_bytes);
    call.reply.array(operations.size());
    bool has_written = false;
    for (const FieldOperation& operation : operations) {
      const Effect effect = effect_of(operation, {bytes.data(), bytes.size()});
      say(call.reply, effect);
      if (!effect.written) continue;
      storage::store_field(bytes, operation.first_bit, operation.type, *effect.written);
      has_written = true;
    }
    if (has_written) call.event(EventClass::string, "setbit", call.key_bytes());
  });
}

// BITFIELD key [GET type offset] [OVERFLOW …] [SET type offset value] [INCRBY type offset by] … ->
// one answer an operation.
void bitfield_with(Call& call, bool may_write) {
  Args args = call.args_from(2);
  const std::vector<FieldOperation> operations = read_operations(args, call);
  if (!args.finish()) return call.reply.error(args.problem());
  const bool writes = std::any_of(operations.begin(), operations.end(),
                                  [](const FieldOperation& it) { return it.writes(); });
  if (!writes) return run_reads(call, operations);
  if (!may_write) return call.reply.error(errors::bitfield_read_only);
  run_writes(call, operations);
}

void bitfield(Call& call) {
  bitfield_with(call, true);
}

void bitfield_ro(Call& call) {
  bitfield_with(call, false);
}

using enum Flag;

// BITFIELD that only reads.
Access access_of_bitfield(Words words) {
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (protocol::same_word(words[i], "SET") || protocol::same_word(words[i], "INCRBY")) {
      return Access::rw | Access::access | Access::update;
    }
  }
  return Access::ro | Access::access;
}

constexpr Command table[] = {
    {.name = "BITFIELD",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = bitfield,
     .summary = "Read, set and count in integers of any width within a string",
     .since = "3.2.0",
     .syntax =
         "key [<GET encoding offset|[OVERFLOW <WRAP|SAT|FAIL>] <SET encoding offset value:integer|"
         "INCRBY encoding offset increment>> ...]",
     .complexity = "O(1) for each subcommand specified",
     .access = Access::rw | Access::access | Access::update | Access::varies,
     .access_by = access_of_bitfield},
    {.name = "BITFIELD_RO",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = bitfield_ro,
     .summary = "Read integers of any width within a string",
     .since = "6.0.0",
     .syntax = "key [GET <encoding offset> [GET <encoding offset> ...]]",
     .complexity = "O(1) for each subcommand specified"},
};

}  // namespace

const Family bitfields{"bitmap", table};

}  // namespace larder::server
