// HyperLogLog: how many different elements were seen, roughly, in 12 KB at most.
//
// The counting is storage/types/hyperloglog.h; here are the keys. A HyperLogLog is a string, so any
// string may be offered as one: it is judged when it is used, and answered with Redis's two errors,
// one for what is none and one for what is broken inside.
//
// PFCOUNT of one key keeps the count in the string, and so is a change of it (WATCH hears of it).
// What PFADD did before it met the broken part of a string stays, as in Redis. Thread: loop.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/shared_args.h"
#include "server/engine/families.h"
#include "server/options.h"
#include "storage/slot.h"
#include "storage/types/hyperloglog.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
namespace hll = storage::hyperloglog;
using storage::Bytes;
using storage::Deadline;
using storage::Keyspace;
using storage::Slot;
using storage::Value;

// A string that is one, by its header.
struct Found {
  std::string_view bytes;
  hll::Form form;
};

// The string's bytes, if it is one; otherwise the error has been said. The value is there.
std::optional<Found> found_or_error(Reply& reply, const Value& value) {
  // A number has too few digits to be one.
  const bool is_text = value.is_string() && !value.bytes().is_integer();
  Bytes::Digits digits;
  const std::string_view bytes = is_text ? value.bytes().text(digits) : std::string_view();
  const auto form = hll::form_of(bytes);
  if (form) return Found{bytes, *form};
  reply.error(value.is_string() ? errors::not_a_hyperloglog : errors::wrong_type);
  return std::nullopt;
}

std::string_view view(std::span<const char> bytes) {
  return {bytes.data(), bytes.size()};
}

void store_header(std::span<char> bytes, const hll::Header& header) {
  std::memcpy(bytes.data(), header.data(), header.size());
}

std::size_t most_sparse_bytes(const Call& call) {
  return call.services.options.settings.hll_sparse_max_bytes;
}

std::vector<hll::Place> places_of(const Call& call) {
  std::vector<hll::Place> places;
  places.reserve(call.words.size() - 2);
  for (std::size_t i = 2; i < call.words.size(); ++i) {
    places.push_back(hll::place_of(call.word(i)));
  }
  return places;
}

// Dense registers are raised where they lie.
bool add_dense(Slot& slot, std::string_view before, const std::vector<hll::Place>& places) {
  const auto is_higher = [&](const hll::Place& place) {
    return hll::dense_register(before, place.index) < place.rank;
  };
  if (std::none_of(places.begin(), places.end(), is_higher)) return false;
  const std::span<char> bytes = *slot.open(before.size());
  for (const hll::Place& place : places) hll::raise_dense(bytes, place);
  store_header(bytes, hll::with_stale_count(view(bytes)));
  return true;
}

struct Added {
  bool changed;
  bool is_corrupted;
};

Added add_all(std::string& bytes, const std::vector<hll::Place>& places, std::size_t most_bytes) {
  Added added{};
  for (const hll::Place& place : places) {
    const auto raised = hll::raise(bytes, place, most_bytes);
    if (!raised) return {added.changed, true};
    added.changed = added.changed || *raised;
  }
  return added;
}

// To a string in the sparse form, or a new one.
void add_sparse(Call& call, Slot& slot, std::string bytes, const std::vector<hll::Place>& places) {
  Added added = add_all(bytes, places, most_sparse_bytes(call));
  added.changed = added.changed || !slot.is_present();
  if (added.changed && !added.is_corrupted) store_header(bytes, hll::with_stale_count(bytes));
  if (added.changed) slot.set_raw(bytes, slot.deadline());
  if (added.is_corrupted) return call.reply.error(errors::corrupted_hyperloglog);
  if (added.changed) call.event(EventClass::string, "pfadd", call.key_bytes());
  call.reply.integer(added.changed ? 1 : 0);
}

// PFADD key [element …] -> 1 if the count may have risen, or the key was made.
void pfadd(Call& call) {
  const std::vector<hll::Place> places = places_of(call);
  call.keys.update(call.key(), [&](Slot& slot) {
    const Value* value = slot.value();
    if (value == nullptr) return add_sparse(call, slot, hll::make_empty(), places);
    const auto found = found_or_error(call.reply, *value);
    if (!found) return;
    if (found->form == hll::Form::dense) {
      const bool changed = add_dense(slot, found->bytes, places);
      if (changed) call.event(EventClass::string, "pfadd", call.key_bytes());
      return call.reply.integer(changed ? 1 : 0);
    }
    if (found->bytes.size() > hll::kMostBytes) {
      return call.reply.error(errors::corrupted_hyperloglog);
    }
    add_sparse(call, slot, std::string(found->bytes), places);
  });
}

// PFCOUNT key: the kept count, or one that is made and kept.
void count_one(Call& call) {
  call.keys.update(call.key(), [&](Slot& slot) {
    slot.count_lookup();
    const Value* value = slot.value();
    if (value == nullptr) return call.reply.integer(0);
    const auto found = found_or_error(call.reply, *value);
    if (!found) return;
    auto count = hll::kept_count(found->bytes);
    if (!count) {
      count = hll::count(found->bytes);
      if (!count) return call.reply.error(errors::corrupted_hyperloglog);
      const hll::Header header = hll::with_count(found->bytes, *count);
      store_header(*slot.open(found->bytes.size()), header);
    }
    call.reply.integer(static_cast<std::int64_t>(*count));
  });
}

struct Merged {
  hll::Registers registers{};
  bool any_is_dense = false;
};

// All of the keys put together; an error has been said when one of them is no HyperLogLog.
std::optional<Merged> merged(Call& call, Keyspace& held, std::span<const Key> names) {
  Merged all;
  bool is_good = true;
  for (std::size_t i = 0; i < names.size() && is_good; ++i) {
    held.read(names[i], [&](const Value* value) {
      if (value == nullptr) return;
      const auto found = found_or_error(call.reply, *value);
      is_good = found.has_value();
      if (!is_good) return;
      all.any_is_dense = all.any_is_dense || found->form == hll::Form::dense;
      is_good = hll::merge_into(all.registers, found->bytes);
      if (!is_good) call.reply.error(errors::corrupted_hyperloglog);
    });
  }
  if (!is_good) return std::nullopt;
  return all;
}

void pfcount(Call& call) {
  if (call.words.size() == 2) return count_one(call);
  const std::vector<Key> names = keys_of(call);
  Keyspace::Several several(call.keys, names);
  const auto all = merged(call, *several, names);
  if (all) call.reply.integer(static_cast<std::int64_t>(hll::count(all->registers)));
}

// The target with all registers raised. Its runs have been looked at, so it is not corrupted.
std::string raised_to(std::string target, const Merged& all, std::size_t most_bytes) {
  if (all.any_is_dense && hll::form_of(target) == hll::Form::sparse) {
    target = hll::to_dense(target).value_or(target);
  }
  for (std::uint32_t index = 0; index < hll::kRegisters; ++index) {
    const std::uint8_t rank = all.registers[index];
    if (rank > 0) std::ignore = hll::raise(target, {index, rank}, most_bytes);
  }
  store_header(target, hll::with_stale_count(target));
  return target;
}

// PFMERGE target [source …]: the target counts from now on what any of them has seen.
void pfmerge(Call& call) {
  const std::vector<Key> names = keys_of(call);
  Keyspace::Several several(call.keys, names);
  const auto all = merged(call, *several, names);
  if (!all) return;
  several->update(names.front(), [&](Slot& slot) {
    const Value* value = slot.value();
    std::string target = value == nullptr ? hll::make_empty() : value->bytes().to_string();
    slot.set_raw(raised_to(std::move(target), *all, most_sparse_bytes(call)), slot.deadline());
    call.event(EventClass::string, "pfadd", call.key_bytes());
  });
  call.reply.ok();
}

// --- PFDEBUG

// Makes the string dense. False when it is corrupted, which has been said.
bool make_dense(Call& call, Slot& slot, const Found& found) {
  if (found.form == hll::Form::dense) return true;
  const auto dense = hll::to_dense(found.bytes);
  if (!dense) {
    call.reply.error(errors::corrupted_hyperloglog);
    return false;
  }
  slot.set_raw(*dense, slot.deadline());
  return true;
}

// The registers of the string, which is dense from then on.
void say_registers(Call& call, Slot& slot, const Found& found) {
  hll::Registers registers{};
  const bool is_whole = hll::merge_into(registers, found.bytes);
  if (!make_dense(call, slot, found) || !is_whole) return;
  call.reply.array(registers.size());
  for (const std::uint8_t rank : registers) call.reply.integer(rank);
}

void say_runs(Call& call, const Found& found) {
  if (found.form != hll::Form::sparse) return call.reply.error(errors::hyperloglog_not_sparse);
  const auto runs = hll::describe(found.bytes);
  if (!runs) return call.reply.error(errors::corrupted_hyperloglog);
  call.reply.bulk(*runs);
}

// PFDEBUG GETREG|DECODE|ENCODING|TODENSE key. The subcommands are no rows: Redis tells of none, and
// looks for the key first.
void pfdebug(Call& call) {
  const std::string_view what = call.word(1);
  call.keys.update(call.key(2), [&](Slot& slot) {
    const Value* value = slot.value();
    if (value == nullptr) return call.reply.error(errors::no_such_hyperloglog);
    const auto found = found_or_error(call.reply, *value);
    if (!found) return;
    if (protocol::same_word(what, "GETREG")) return say_registers(call, slot, *found);
    if (protocol::same_word(what, "DECODE")) return say_runs(call, *found);
    if (protocol::same_word(what, "ENCODING")) {
      return call.reply.simple(hll::name_of(found->form));
    }
    if (!protocol::same_word(what, "TODENSE")) {
      return call.reply.error(errors::unknown_pfdebug(what));
    }
    const bool was_sparse = found->form == hll::Form::sparse;
    if (make_dense(call, slot, *found)) call.reply.integer(was_sparse ? 1 : 0);
  });
}

// --- PFSELFTEST

// Some milliseconds' worth, since it runs on a loop.
constexpr std::uint64_t kTestElements = 100'000;
// Six times the standard error of 1.04 / sqrt(16384); one element where that is less.
constexpr double kTestTolerance = 6 * 1.04 / 128;

bool is_near(std::uint64_t count, std::uint64_t elements) {
  const auto exact = static_cast<double>(elements);
  return std::abs(static_cast<double>(count) - exact) <= std::max(1.0, exact * kTestTolerance);
}

// PFSELFTEST: the dense and the sparse form agree, and count what was added.
void pfselftest(Call& call) {
  std::string dense = *hll::to_dense(hll::make_empty());
  std::string sparse = hll::make_empty();
  std::uint64_t checkpoint = 1;
  for (std::uint64_t i = 1; i <= kTestElements; ++i) {
    const hll::Place place = hll::place_of("element:" + std::to_string(i));
    const bool raised = hll::raise_dense(dense, place);
    if (hll::raise(sparse, place, most_sparse_bytes(call)) != raised) {
      return call.reply.error(errors::selftest_forms);
    }
    if (i != checkpoint) continue;
    checkpoint *= 10;
    const auto count = hll::count(dense);
    if (count != hll::count(sparse)) return call.reply.error(errors::selftest_forms);
    if (!count || !is_near(*count, i)) return call.reply.error(errors::selftest_count);
  }
  call.reply.ok();
}

using enum Flag;

constexpr Command table[] = {
    {.name = "PFADD",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = pfadd,
     .summary = "Let a HyperLogLog see elements",
     .since = "2.8.9",
     .syntax = "key [element [element ...]]",
     .complexity = "O(1) to add every element.",
     .access = Access::rw | Access::insert},
    {.name = "PFCOUNT",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads | may_replicate,
     .run = pfcount,
     .summary = "Roughly how many different elements HyperLogLogs have seen",
     .since = "2.8.9",
     .syntax = "key [key ...]",
     .complexity = "O(1) with a very small average constant time when called with a single key. "
                   "O(N) with N being the number of keys, and much bigger constant times, when "
                   "called with multiple keys.",
     .access = Access::rw | Access::access},
    {.name = "PFMERGE",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = writes | may_grow,
     .run = pfmerge,
     .summary = "Put HyperLogLogs together into one",
     .since = "2.8.9",
     .syntax = "destkey [sourcekey:key [sourcekey:key ...]]",
     .complexity = "O(N) to merge N HyperLogLogs, but with high constant times.",
     .access = Access::rw | Access::access | Access::insert,
     .second_access = Access::ro | Access::access},
    {.name = "PFDEBUG",
     .arity = exactly(3),
     .keys = key_at(2),
     .flags = writes | may_grow | admin,
     .run = pfdebug,
     .summary = "For tests: what a HyperLogLog has inside",
     .since = "2.8.9",
     .syntax = "subcommand key",
     .complexity = "N/A",
     .access = Access::rw | Access::access},
    {.name = "PFSELFTEST",
     .arity = exactly(1),
     .flags = admin,
     .run = pfselftest,
     .summary = "For tests: whether HyperLogLogs count",
     .since = "2.8.9",
     .complexity = "N/A"},
};

}  // namespace

const Family hyperloglogs{"hyperloglog", table};

}  // namespace larder::server
