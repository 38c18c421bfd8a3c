// Bitmaps: strings whose bits are counted from the highest of the first byte.
//
// What is done to the bytes is storage/types/bits.h; here are the arguments, and which part of a
// string they name. A bit that is written as it was changes nothing, so WATCH does not hear of it.
// BITCOUNT and BITPOS judge their arguments before they look for the key, as Redis does from 7.2
// on: a wrong one is an error even where there is no key. Thread: loop.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/bit_offset.h"
#include "server/engine/families.h"
#include "storage/slot.h"
#include "storage/types/bits.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::BitOperation;
using storage::Bytes;
using storage::Deadline;
using storage::Keyspace;
using storage::Slot;
using storage::Value;

constexpr std::int64_t kByteBits = 8;

// The bytes of a string, or none for a missing key; in `digits` when they are kept as a number.
std::string_view text_of(const Value* value, Bytes::Digits& digits) {
  return value == nullptr ? std::string_view() : value->bytes().text(digits);
}

// SETBIT key offset value -> the bit that was there.
void setbit(Call& call) {
  Args args = call.args_from(2);
  const std::uint64_t bit = read_bit_offset(args, call);
  const bool on = args.integer_between(0, 1, errors::bit_value) == 1;
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.update(call.key(), [&](Slot& slot) {
    const Value* value = slot.value();
    if (value != nullptr && !value->is_string()) return call.reply.error(errors::wrong_type);
    Bytes::Digits digits;
    const std::string_view before = text_of(value, digits);
    const bool was = storage::bit_at(before, bit);
    if (bit / 8 >= before.size() || was != on) {
      storage::store_bit(*slot.open(bit / 8 + 1), bit, on);
      call.event(EventClass::string, "setbit", call.key_bytes());
    }
    call.reply.integer(was ? 1 : 0);
  });
}

void getbit(Call& call) {
  Args args = call.args_from(2);
  const std::uint64_t bit = read_bit_offset(args, call);
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.read(call.key(), [&](const Value* value) {
    if (value != nullptr && !value->is_string()) return call.reply.error(errors::wrong_type);
    Bytes::Digits digits;
    call.reply.integer(storage::bit_at(text_of(value, digits), bit) ? 1 : 0);
  });
}

// Looking through more than this takes longer than a shard should be held: some hundred
// microseconds.
constexpr std::size_t kMostBytesInVisit = 1 << 20;
static_assert(kMostBytesInVisit >= storage::kPinnedBytes);  // a longer one is a blob

struct DropBlob {
  void operator()(storage::Blob* blob) const { blob->drop(); }
};

// Calls answer(bytes) for the string of the first key, or absent() when there is none. The bytes of
// a large one are held as they are, and looked at when its shard is free again; who changes it
// meanwhile changes a copy.
template <class Answer, class Absent>
void look_through(Call& call, Answer&& answer, Absent&& absent) {
  std::unique_ptr<storage::Blob, DropBlob> large;
  call.keys.read(call.key(), [&](const Value* value) {
    if (value == nullptr) return absent();
    if (!value->is_string()) return call.reply.error(errors::wrong_type);
    const Bytes bytes = value->bytes();
    Bytes::Digits digits;
    if (bytes.size() <= kMostBytesInVisit) return answer(bytes.text(digits));
    bytes.blob()->hold();
    large.reset(bytes.blob());
  });
  if (large != nullptr) answer(large->bytes());
}

// A part of a string as start, end and unit name it: negative ones count from the end.
struct BitRange {
  std::int64_t start = 0;
  std::int64_t end = -1;
  bool has_end = false;
  bool counts_bits = false;

  struct Bits {
    std::uint64_t first;
    std::uint64_t last;
  };
  // Nothing when the range has no bit of such a string.
  std::optional<Bits> within(std::size_t size_bytes) const {
    const std::int64_t unit = counts_bits ? 1 : kByteBits;
    const std::int64_t total = static_cast<std::int64_t>(size_bytes) * kByteBits / unit;
    const std::int64_t first = std::max<std::int64_t>(start < 0 ? start + total : start, 0);
    const std::int64_t last =
        std::min(std::max<std::int64_t>(end < 0 ? end + total : end, 0), total - 1);
    if (first > last) return std::nullopt;
    return Bits{static_cast<std::uint64_t>(first * unit),
                static_cast<std::uint64_t>(last * unit + unit - 1)};
  }
};

bool reads_bits(Args& args) {
  if (args.eat("BIT")) return true;
  if (!args.eat("BYTE")) args.fail(errors::syntax);
  return false;
}

// [start end [BYTE|BIT]]
BitRange read_count_range(Args& args) {
  BitRange range;
  if (args.left() == 1) args.fail(errors::syntax);
  if (!args.more()) return range;
  if (args.left() > 3) args.fail(errors::syntax);
  range.start = args.integer();
  range.end = args.integer();
  range.has_end = true;
  if (args.more()) range.counts_bits = reads_bits(args);
  return range;
}

// BITCOUNT key [start end [BYTE|BIT]] -> how many bits are one.
void bitcount(Call& call) {
  Args args = call.args_from(2);
  const BitRange range = read_count_range(args);
  if (!args.finish()) return call.reply.error(args.problem());
  // As GETRANGE: two negative ends in the wrong order are empty, even where both would be cut to
  // the first byte.
  const bool is_reversed = range.start < 0 && range.end < 0 && range.start > range.end;
  const auto answer = [&](std::string_view bytes) {
    const auto bits = range.within(bytes.size());
    if (is_reversed || !bits) return call.reply.integer(0);
    call.reply.integer(
        static_cast<std::int64_t>(storage::count_ones(bytes, bits->first, bits->last)));
  };
  look_through(call, answer, [&] { call.reply.integer(0); });
}

// [start [end [BYTE|BIT]]]. The unit is judged before the end, as Redis does.
BitRange read_search_range(Args& args) {
  BitRange range;
  if (!args.more()) return range;
  if (args.left() > 3) args.fail(errors::syntax);
  range.start = args.integer();
  if (!args.more()) return range;
  const std::string_view end = args.take();
  range.has_end = true;
  if (args.more()) range.counts_bits = reads_bits(args);
  const auto number = protocol::parse_integer(end);
  if (!number) args.fail(errors::not_an_integer);
  range.end = number.value_or(0);
  return range;
}

// BITPOS key bit [start [end [BYTE|BIT]]] -> where the first such bit is, or -1. Without an end the
// string counts as followed by zeros.
void bitpos(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t bit = args.integer();
  if (bit != 0 && bit != 1) args.fail(errors::bitpos_bit);
  const bool wanted = bit == 1;
  const BitRange range = read_search_range(args);
  if (!args.finish()) return call.reply.error(args.problem());
  const auto answer = [&](std::string_view bytes) {
    const auto bits = range.within(bytes.size());
    if (!bits) return call.reply.integer(-1);
    const auto found = storage::find_bit(bytes, wanted, bits->first, bits->last);
    if (found) return call.reply.integer(static_cast<std::int64_t>(*found));
    const bool goes_on = !wanted && !range.has_end;
    call.reply.integer(goes_on ? static_cast<std::int64_t>(bytes.size()) * kByteBits : -1);
  };
  look_through(call, answer, [&] { call.reply.integer(wanted ? -1 : 0); });
}

struct Operator {
  std::string_view word;
  std::optional<BitOperation> operation;  // none: NOT
};
constexpr Operator kOperators[] = {
    {"AND", BitOperation::all},
    {"OR", BitOperation::any},
    {"XOR", BitOperation::odd},
    {"NOT", std::nullopt},
};

// What the operator makes of the sources; nothing when one of them is no string.
std::optional<std::string> combined(Keyspace& held, std::span<const Key> sources,
                                    const Operator& op) {
  std::string result;
  bool are_strings = true;
  for (std::size_t i = 0; i < sources.size() && are_strings; ++i) {
    held.read(sources[i], [&](const Value* value) {
      are_strings = value == nullptr || value->is_string();
      if (!are_strings) return;
      Bytes::Digits digits;
      const std::string_view bytes = text_of(value, digits);
      i == 0 ? void(result = bytes) : storage::combine(result, bytes, *op.operation);
    });
  }
  if (!are_strings) return std::nullopt;
  if (!op.operation) storage::invert(result);
  return result;
}

// BITOP AND|OR|XOR|NOT destination key … -> the length of the result. An empty one leaves no key.
void bitop(Call& call) {
  const auto* op = std::find_if(
      std::begin(kOperators), std::end(kOperators),
      [&](const Operator& known) { return protocol::same_word(call.word(1), known.word); });
  if (op == std::end(kOperators)) return call.reply.error(errors::syntax);
  if (!op->operation && call.words.size() != 4) return call.reply.error(errors::bitop_not);

  std::vector<Key> names;
  for (std::size_t i = 2; i < call.words.size(); ++i) names.push_back(call.keys.key(call.word(i)));
  Keyspace::Several several(call.keys, names);
  const auto result = combined(*several, std::span(names).subspan(1), *op);
  if (!result) return call.reply.error(errors::wrong_type);
  several->update(names.front(), [&](Slot& slot) {
    if (!result->empty()) {
      slot.set_raw(*result, Deadline::never());
      call.event(EventClass::string, "set", call.key_bytes(2));
    } else if (slot.erase()) {
      call.event(EventClass::generic, "del", call.key_bytes(2));
    }
  });
  call.reply.integer(static_cast<std::int64_t>(result->size()));
}

using enum Flag;

constexpr Command table[] = {
    {.name = "SETBIT",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = setbit,
     .summary = "Set or clear one bit of a string, which grows as needed",
     .since = "2.2.0",
     .syntax = "key offset value:integer",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "GETBIT",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = getbit,
     .summary = "One bit of a string",
     .since = "2.2.0",
     .syntax = "key offset",
     .complexity = "O(1)"},
    {.name = "BITCOUNT",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads,
     .run = bitcount,
     .summary = "How many bits of a string, or of a part of it, are one",
     .since = "2.6.0",
     .syntax = "key [start end [BYTE|BIT]]",
     .complexity = "O(N)"},
    {.name = "BITPOS",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads,
     .run = bitpos,
     .summary = "Where the first one or the first zero of a string is",
     .since = "2.8.7",
     .syntax = "key bit [start [end [BYTE|BIT]]]",
     .complexity = "O(N)"},
    {.name = "BITOP",
     .arity = at_least(4),
     .keys = {.first = 2, .last = -1, .step = 1},
     .flags = writes | may_grow,
     .run = bitop,
     .summary = "Combine strings bit by bit into another one",
     .since = "2.6.0",
     .syntax = "<AND|OR|XOR|NOT> destkey key [key ...]",
     .complexity = "O(N)",
     .access = Access::ow | Access::update,
     .second_access = Access::ro | Access::access},
};

}  // namespace

const Family bitmaps{"bitmap", table};

}  // namespace larder::server
