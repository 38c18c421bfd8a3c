// DUMP and RESTORE: a value as bytes that another server takes, Redis's own RDB spelling
// (protocol/rdb.h).
//
// A dump says the plain spellings (a list as its elements, a hash as its fields), which every Redis
// since 4.0 reads and packs again as it likes; compact ones are read as well, since Redis dumps
// them. A hash of which fields die is said as Redis 7.4 says it, which older ones refuse. Streams
// are dump_stream.cc. Modules are not known, nor the ziplists of Redis before 7.
// A value is read whole before its key is touched: what is broken changes nothing. Duplicate
// fields and members are broken.
// Thread: loop. Cost: RESTORE holds the value twice for a moment; lengths that lie cost nothing.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "protocol/rdb.h"
#include "server/commands/dump_stream.h"
#include "server/commands/shared_args.h"
#include "server/engine/events.h"
#include "server/engine/families.h"
#include "server/options.h"
#include "storage/slot.h"
#include "storage/timeline.h"
#include "storage/types/hash.h"
#include "storage/types/list.h"
#include "storage/types/low_bytes.h"
#include "storage/types/packed.h"
#include "storage/types/set.h"
#include "storage/types/zset.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using protocol::RdbReader;
using protocol::RdbType;
using protocol::RdbWriter;
using storage::Bytes;
using storage::Deadline;
using storage::HashView;
using storage::Slot;
using storage::Type;
using storage::Value;

void write(RdbWriter& writer, const Bytes& bytes) {
  Bytes::Digits digits;
  writer.string(bytes.text(digits));
}

std::string dump_of_list(const Value& value) {
  RdbWriter writer(RdbType::list);
  const storage::ListView list(value);
  writer.length(list.size());
  list.walk(storage::Side::left, 0, list.size(), [&](const Bytes& element) {
    write(writer, element);
    return true;
  });
  return writer.finish();
}

std::string dump_of_set(const Value& value) {
  RdbWriter writer(RdbType::set);
  const storage::SetView set(value);
  writer.length(set.size());
  set.each([&](const Bytes& member) { write(writer, member); });
  return writer.finish();
}

// Deadlines are moments of wall time, said as what they are later than the earliest of them.
std::string dump_of_timed_hash(const HashView& hash, const storage::Timeline& timeline) {
  const auto wall_ms = [&](Deadline deadline) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(timeline.wall_ms(deadline.ms()), 0));
  };
  const std::uint64_t earliest_ms = wall_ms(hash.earliest());
  RdbWriter writer(RdbType::hash_timed);
  writer.moment(earliest_ms);
  writer.length(hash.size());
  hash.each_with_deadline([&](const Bytes& field, const Bytes& of_field, Deadline deadline) {
    writer.length(deadline.is_never() ? 0 : wall_ms(deadline) - earliest_ms + 1);
    write(writer, field);
    write(writer, of_field);
  });
  return writer.finish();
}

std::string dump_of_hash(const Value& value, const storage::Timeline& timeline) {
  const HashView hash(value);
  if (!hash.earliest().is_never()) return dump_of_timed_hash(hash, timeline);
  RdbWriter writer(RdbType::hash);
  writer.length(hash.size());
  hash.each([&](const Bytes& field, const Bytes& of_field) {
    write(writer, field);
    write(writer, of_field);
  });
  return writer.finish();
}

std::string dump_of_zset(const Value& value) {
  RdbWriter writer(RdbType::zset);
  const storage::ZsetView zset(value);
  writer.length(zset.size());
  zset.each(zset.all(), false, [&](const Bytes& member, double score) {
    write(writer, member);
    writer.number(score);
  });
  return writer.finish();
}

std::string dump_of(const Value& value, const storage::Timeline& timeline) {
  switch (value.type()) {
    case Type::list: return dump_of_list(value);
    case Type::set: return dump_of_set(value);
    case Type::hash: return dump_of_hash(value, timeline);
    case Type::zset: return dump_of_zset(value);
    case Type::stream: return dump_of_stream(storage::stream_of(value.object()));
    default: break;
  }
  RdbWriter writer(RdbType::string);
  write(writer, value.bytes());
  return writer.finish();
}

void dump(Call& call) {
  call.keys.read(call.key(), [&](const Value* value) {
    if (value == nullptr) return call.reply.null();
    call.reply.bulk(dump_of(*value, call.services.timeline));
  });
}

// What a dump holds, before any key does: a string is its one word, a hash has field and value in
// turn, a sorted set a score for each word.
struct Restored {
  Type type = Type::string;
  std::vector<std::string> words;
  std::vector<double> scores;
  std::vector<std::uint64_t> deadlines;  // of fields, in milliseconds of wall time; 0: never
  StreamHold stream = {};                // of one, instead of words
};

void read_words(RdbReader& reader, Restored& value, std::uint64_t of_each) {
  for (std::uint64_t left = reader.count() * of_each; left > 0 && reader.is_good(); --left) {
    value.words.push_back(reader.string());
  }
}

void read_zset(RdbReader& reader, Restored& value, bool is_text) {
  for (std::uint64_t left = reader.count(); left > 0 && reader.is_good(); --left) {
    value.words.push_back(reader.string());
    value.scores.push_back(is_text ? reader.number_as_text() : reader.number());
  }
}

// The elements of a listpack behind the others.
void read_listpack(RdbReader& reader, std::string_view listpack, std::vector<std::string>& words) {
  const bool is_sound = storage::Packed::each_of_listpack(
      listpack, [&](const Bytes& element) { words.push_back(element.to_string()); });
  if (!is_sound) reader.fail();
}

void read_nodes(RdbReader& reader, Restored& value) {
  for (std::uint64_t left = reader.count(); left > 0 && reader.is_good(); --left) {
    const std::uint64_t kind = reader.length();
    std::string node = reader.string();
    if (kind == protocol::kRdbPackedNode) {
      read_listpack(reader, node, value.words);
    } else if (kind == protocol::kRdbPlainNode) {
      value.words.push_back(std::move(node));
    } else {
      reader.fail();
    }
  }
}

// Four bytes of width, four of count, and the integers, rising; the lowest byte first in each.
void read_intset(RdbReader& reader, Restored& value) {
  constexpr std::size_t kHeadBytes = 8;
  const std::string bytes = reader.string();
  const auto number_at = [&](std::size_t at, std::size_t width) {
    return storage::integer_of_low_bytes(std::string_view(bytes).substr(at, width));
  };
  if (bytes.size() < kHeadBytes) return reader.fail();
  const auto width = static_cast<std::size_t>(number_at(0, 4));
  const auto count = static_cast<std::size_t>(number_at(4, 4));
  if (width != 2 && width != 4 && width != 8) return reader.fail();
  if ((bytes.size() - kHeadBytes) % width != 0 || (bytes.size() - kHeadBytes) / width != count) {
    return reader.fail();
  }
  for (std::size_t i = 0; i < count; ++i) {
    value.words.push_back(std::to_string(number_at(kHeadBytes + i * width, width)));
  }
}

// Member, score, member, score... as a listpack has them.
void split_scores(RdbReader& reader, Restored& value) {
  std::vector<std::string> both = std::move(value.words);
  value.words.clear();
  if (both.size() % 2 != 0) return reader.fail();
  for (std::size_t i = 0; i < both.size(); i += 2) {
    const auto score = protocol::parse_double(both[i + 1]);
    if (!score) return reader.fail();
    value.words.push_back(std::move(both[i]));
    value.scores.push_back(*score);
  }
}

void add_deadline(RdbReader& reader, Restored& value, std::uint64_t ms) {
  if (ms > protocol::kRdbLastMs) return reader.fail();
  value.deadlines.push_back(ms);
}

void read_timed_hash(RdbReader& reader, Restored& value) {
  const std::uint64_t earliest_ms = std::min(reader.moment(), protocol::kRdbLastMs + 1);
  for (std::uint64_t left = reader.count(); left > 0 && reader.is_good(); --left) {
    const std::uint64_t later = std::min(reader.length(), protocol::kRdbLastMs + 1);
    add_deadline(reader, value, later == 0 ? 0 : earliest_ms + later - 1);
    value.words.push_back(reader.string());
    value.words.push_back(reader.string());
  }
}

// Field, value, deadline, field, value, deadline...
void read_timed_listpack(RdbReader& reader, Restored& value) {
  reader.moment();
  std::vector<std::string> triples;
  read_listpack(reader, reader.string(), triples);
  if (triples.size() % 3 != 0) return reader.fail();
  for (std::size_t i = 0; i < triples.size(); i += 3) {
    const auto ms = protocol::parse_integer(triples[i + 2]);
    if (!ms || *ms < 0) return reader.fail();
    add_deadline(reader, value, static_cast<std::uint64_t>(*ms));
    value.words.push_back(std::move(triples[i]));
    value.words.push_back(std::move(triples[i + 1]));
  }
}

bool has_duplicates(const Restored& value) {
  if (value.type == Type::string || value.type == Type::list) return false;
  const std::size_t step = value.type == Type::hash ? 2 : 1;
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < value.words.size(); i += step) {
    if (!names.insert(value.words[i]).second) return true;
  }
  return false;
}

void read_by_type(RdbReader& reader, Restored& value) {
  const std::uint8_t type = reader.type();
  switch (static_cast<RdbType>(type)) {
    case RdbType::string: value.words.push_back(reader.string()); return;
    case RdbType::list: value.type = Type::list; return read_words(reader, value, 1);
    case RdbType::list_nodes: value.type = Type::list; return read_nodes(reader, value);
    case RdbType::set: value.type = Type::set; return read_words(reader, value, 1);
    case RdbType::set_intset: value.type = Type::set; return read_intset(reader, value);
    case RdbType::set_listpack:
      value.type = Type::set;
      return read_listpack(reader, reader.string(), value.words);
    case RdbType::hash: value.type = Type::hash; return read_words(reader, value, 2);
    case RdbType::hash_listpack:
      value.type = Type::hash;
      read_listpack(reader, reader.string(), value.words);
      if (value.words.size() % 2 != 0) reader.fail();
      return;
    case RdbType::hash_timed: value.type = Type::hash; return read_timed_hash(reader, value);
    case RdbType::hash_listpack_timed:
      value.type = Type::hash;
      return read_timed_listpack(reader, value);
    case RdbType::zset: value.type = Type::zset; return read_zset(reader, value, false);
    case RdbType::zset_text: value.type = Type::zset; return read_zset(reader, value, true);
    case RdbType::zset_listpack:
      value.type = Type::zset;
      read_listpack(reader, reader.string(), value.words);
      return split_scores(reader, value);
    case RdbType::stream_5:
    case RdbType::stream_70:
    case RdbType::stream_72:
      value.type = Type::stream;
      value.stream = read_stream_dump(reader, static_cast<RdbType>(type));
      return;
    default: reader.fail();
  }
}

std::optional<Restored> read_value(RdbReader& reader) {
  Restored value;
  read_by_type(reader, value);
  for (const double score : value.scores) {
    if (std::isnan(score)) reader.fail();
  }
  const bool is_there = value.stream != nullptr || !value.words.empty();
  if (!reader.is_at_end() || !is_there || has_duplicates(value)) return std::nullopt;
  return value;
}

void put_hash(Slot& slot, const Restored& value, std::span<const std::string_view> words,
              const storage::Timeline& timeline) {
  storage::HashEdit hash(slot);
  hash.set(words);
  for (std::size_t i = 0; i < value.deadlines.size(); ++i) {
    const auto ms = static_cast<std::int64_t>(value.deadlines[i]);
    if (ms != 0) hash.set_deadline(words[2 * i], Deadline::at(timeline.ms_of_wall(ms)));
  }
}

// Into a slot that is empty.
void put(Slot& slot, Restored& value, const storage::Timeline& timeline) {
  const std::vector<std::string_view> words(value.words.begin(), value.words.end());
  switch (value.type) {
    case Type::list: storage::ListEdit(slot).push(storage::Side::right, words); return;
    case Type::set: storage::SetEdit(slot).add(words); return;
    case Type::hash: return put_hash(slot, value, words, timeline);
    case Type::zset: break;
    case Type::stream:
      return slot.set_object(Type::stream, storage::Encoding::stream, value.stream.release());
    default: return slot.set_bytes(words.front(), Deadline::never());
  }
  std::size_t longest = 0;
  for (const std::string_view word : words) longest = std::max(longest, word.size());
  storage::ZsetEdit zset(slot);
  zset.expect(words.size(), longest);
  for (std::size_t i = 0; i < words.size(); ++i) zset.put(words[i], value.scores[i]);
}

// What IDLETIME counts at the most: no policy looks back so far.
constexpr std::int64_t kMostIdleS = std::int64_t{100} * 365 * 86'400;

struct RestoreOptions {
  bool may_replace = false;
  bool is_absolute = false;
  std::optional<std::int64_t> idle_s;
  std::optional<std::int64_t> frequency;
};

RestoreOptions read_restore_options(Args& args) {
  RestoreOptions options;
  while (args.more()) {
    if (args.eat("REPLACE")) {
      options.may_replace = true;
    } else if (args.eat("ABSTTL")) {
      options.is_absolute = true;
    } else if (!options.frequency && args.left() >= 2 && args.eat("IDLETIME")) {
      options.idle_s = args.integer();
      if (*options.idle_s < 0) args.fail(errors::bad_idle_time);
    } else if (!options.idle_s && args.left() >= 2 && args.eat("FREQ")) {
      options.frequency = args.integer();
      if (*options.frequency < 0 || *options.frequency > 255) args.fail(errors::bad_frequency);
    } else {
      args.fail(errors::syntax);
    }
  }
  return options;
}

// From `ms` of now on, or at that moment of wall time; 0: never.
Deadline restored_deadline(const Call& call, std::int64_t ms, bool is_absolute) {
  if (ms == 0) return Deadline::never();
  if (is_absolute) return deadline_of(call, ms, TimeBase::epoch);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  return deadline_of(call, std::min(ms, kMost - call.now_ms) + call.now_ms, TimeBase::now);
}

// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]. The
// order of looking is Redis's: options, key, time to live, frame, value.
void restore(Call& call) {
  Args rest = call.args_from(4);
  const RestoreOptions options = read_restore_options(rest);
  if (!rest.finish()) return call.reply.error(rest.problem());
  const Key name = call.key();
  const auto is_taken = [&](Slot& slot) { return slot.is_present() && !options.may_replace; };
  if (call.keys.update(name, is_taken)) return call.reply.error(errors::busy_key);

  Args ttl = call.args_from(2);
  const std::int64_t ms = ttl.integer();
  if (ttl.problem().empty() && ms < 0) ttl.fail(errors::bad_restore_ttl);
  if (!ttl.problem().empty()) return call.reply.error(ttl.problem());
  RdbReader reader(call.word(3), call.services.options.settings.proto_max_bulk_len);
  if (!reader.is_framed()) return call.reply.error(errors::bad_dump_frame);
  auto value = read_value(reader);
  if (!value) return call.reply.error(errors::bad_dump);

  const Deadline deadline = restored_deadline(call, ms, options.is_absolute);
  call.keys.update(name, [&](Slot& slot) {
    if (is_taken(slot)) return call.reply.error(errors::busy_key);
    slot.erase();
    if (!deadline.has_passed(call.now_ms)) {
      put(slot, *value, call.services.timeline);
      if (ms != 0) slot.set_deadline(deadline);
      if (options.idle_s) slot.was_used_before(std::min(*options.idle_s, kMostIdleS) * 1000);
      if (options.frequency) slot.is_used_often(static_cast<unsigned>(*options.frequency));
    }
    call.event(EventClass::generic, "restore", name.bytes);
    call.reply.ok();
  });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "DUMP",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads,
     .run = dump,
     .summary = "A value as bytes for RESTORE, here or in a Redis",
     .since = "2.6.0",
     .syntax = "key",
     .complexity = "O(N) where N is the number of elements",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "RESTORE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = writes | may_grow | dangerous,
     .run = restore,
     .summary = "Make a key of what DUMP said",
     .since = "2.6.0",
     .syntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
     .complexity = "O(N) where N is the number of elements",
     .access = Access::ow | Access::update},
};

}  // namespace

const Family dump_commands{"generic", table};

}  // namespace larder::server
