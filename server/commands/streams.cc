// Streams: adding, reading ranges, removing. Reading on from an id, and waiting, is
// stream_reads.cc; groups are stream_groups.cc.
//
// Entries of a range are said in one visit, as those of other collections are. XADD of words that
// need no block of their own is O(1); LIMIT bounds what trimming removes.
// Thread: loop.
#include "server/commands/streams.h"

#include <algorithm>
#include <vector>

#include "protocol/numbers.h"
#include "server/engine/families.h"
#include "server/options.h"
#include "storage/timeline.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Slot;
using storage::Stream;
using storage::StreamEntry;
using storage::StreamId;
using storage::StreamTrim;

// One half of an id.
std::optional<std::uint64_t> parse_half(std::string_view text) {
  if (const auto plain = protocol::parse_integer(text)) {
    if (*plain < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*plain);
  }
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  return text.empty() ? std::nullopt : protocol::parse_cursor(text);
}

struct IdHalves {
  std::string_view ms;
  std::optional<std::string_view> number;
};

std::optional<IdHalves> split_id(std::string_view word) {
  if (word.size() > kMostIdWordBytes) return std::nullopt;
  word = word.substr(0, word.find('\0'));  // where C's strings end
  const std::size_t dash = word.find('-');
  if (dash == std::string_view::npos) return IdHalves{word, std::nullopt};
  return IdHalves{word.substr(0, dash), word.substr(dash + 1)};
}

// What XADD and XTRIM say before the id: how the stream is to be trimmed.
struct AddOptions {
  StreamTrim trim = {};
  bool makes_none = false;  // NOMKSTREAM
  std::optional<NewStreamId> id = {};
};

void read_trim(Args& args, StreamTrim& trim, StreamTrim::By by) {
  if (trim.by != StreamTrim::By::nothing) return args.fail(errors::stream_two_trims);
  trim.by = by;
  trim.is_about = false;
  if (args.left() >= 2 && (args.peek() == "~" || args.peek() == "=")) {
    trim.is_about = args.take() == "~";
  }
  if (by == StreamTrim::By::id) {
    trim.least_id = read_stream_id(args);
    return;
  }
  const std::int64_t most = args.integer();
  if (most < 0) args.fail(errors::stream_negative_max_length);
  trim.most = static_cast<std::uint64_t>(most);
}

// How much trimming "about" removes at once, if nobody says.
std::uint64_t usual_limit(const Call& call) {
  constexpr std::uint64_t kLeast = 10'000;
  constexpr std::uint64_t kMost = 1'000'000;
  const std::uint64_t entries = call.services.options.settings.stream_node_max_entries;
  if (entries == 0) return kLeast;
  return entries > kMost / 100 ? kMost : entries * 100;
}

AddOptions read_options(Args& args, const Call& call, bool adds) {
  AddOptions options;
  std::optional<std::int64_t> limit;
  while (args.more() && !options.id) {
    const bool has_more = args.left() >= 2;
    if (adds && args.eat("*")) {
      options.id = NewStreamId{};
    } else if (has_more && args.eat("MAXLEN")) {
      read_trim(args, options.trim, StreamTrim::By::count);
    } else if (has_more && args.eat("MINID")) {
      read_trim(args, options.trim, StreamTrim::By::id);
    } else if (has_more && args.eat("LIMIT")) {
      limit = args.integer();
      if (*limit < 0) args.fail(errors::stream_negative_limit);
    } else if (adds && args.eat("NOMKSTREAM")) {
      options.makes_none = true;
    } else if (adds) {
      options.id = parse_new_stream_id(args.take());
      if (!options.id) args.fail(errors::stream_id);
    } else {
      args.fail(errors::syntax);
    }
  }
  StreamTrim& trim = options.trim;
  const bool trims = trim.by != StreamTrim::By::nothing;
  if (limit.value_or(0) != 0 && !trims) args.fail(errors::stream_limit_of_nothing);
  if (!adds && !trims) args.fail(errors::stream_no_trim);
  if (limit && !trim.is_about) args.fail(errors::stream_exact_limit);
  if (trim.is_about) {
    trim.limit = limit ? static_cast<std::uint64_t>(*limit) : usual_limit(call);
  }
  return options;
}

// The id that an entry gets; nothing when it would not be above the last.
std::optional<StreamId> next_id(const NewStreamId& asked, StreamId last, std::int64_t now_ms) {
  if (!asked.id) {
    const StreamId now{static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms, 0)), 0};
    return now.ms > last.ms ? now : last.next();
  }
  StreamId id = *asked.id;
  if (!asked.has_number && id.ms == last.ms) {
    if (last.number == StreamId::kMost) return std::nullopt;
    id = *last.next();
  }
  return id > last ? std::optional(id) : std::nullopt;
}

// Adds to a stream that is there, and says the id.
void add(Call& call, Slot& slot, const AddOptions& options, Words words) {
  slot.edit_object_quietly([&](storage::Object& object) {
    auto& stream = static_cast<Stream&>(object);
    if (stream.last_id() == StreamId::highest()) return call.reply.error(errors::xadd_exhausted);
    const auto id = next_id(*options.id, stream.last_id(), stream_now_ms(call));
    if (!id) return call.reply.error(errors::xadd_low_id);
    stream.append(*id, words, slot.limits());
    slot.tell_change();
    call.event(EventClass::stream, "xadd", slot.key().bytes);
    if (options.trim.by != StreamTrim::By::nothing && stream.trim(options.trim) > 0) {
      call.event(EventClass::stream, "xtrim", slot.key().bytes);
    }
    say_stream_id(call.reply, *id);
  });
}

// XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value]
void xadd(Call& call) {
  Args args = call.args_from(2);
  const AddOptions options = read_options(args, call, true);
  if (args.failed()) return call.reply.error(args.problem());
  const Words words = args.rest();
  if (!options.id || words.size() < 2 || words.size() % 2 != 0) {
    return call.reply.error(errors::wrong_arity("xadd"));
  }
  if (options.id->has_number && options.id->id == StreamId::lowest()) {
    return call.reply.error(errors::xadd_lowest_id);
  }
  std::size_t bytes = 0;
  for (const std::string_view word : words) bytes += word.size();
  call.keys.update(call.key(), [&](Slot& slot) {
    if (is_other_type(slot, storage::Type::stream)) return call.reply.error(errors::wrong_type);
    if (!slot.is_present() && options.makes_none) return call.reply.null();
    if (bytes > storage::StreamBlock::kMostBytes) return call.reply.error(errors::xadd_too_large);
    if (!slot.is_present()) make_stream(slot);
    add(call, slot, options, words);
  });
}

void xlen(Call& call) {
  const auto absent = [&] { call.reply.integer(0); };
  read_stream(call, call.key(), absent, [&](const Stream& stream) {
    call.reply.integer(static_cast<std::int64_t>(stream.size()));
  });
}

// X[REV]RANGE key start end [COUNT count]; REV names the end first.
void say_range(Call& call, bool backwards) {
  Args args = call.args_from(4);
  const StreamId from = read_range_end(args, call.word(backwards ? 3 : 2), RangeEnd::start);
  const StreamId to = read_range_end(args, call.word(backwards ? 2 : 3), RangeEnd::stop);
  std::optional<std::int64_t> count;
  while (args.more()) {
    if (args.left() >= 2 && args.eat("COUNT")) {
      count = std::max<std::int64_t>(args.integer(), 0);
    } else {
      args.fail(errors::syntax);
    }
  }
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.array(0); };
  read_stream(call, call.key(), absent, [&](const Stream& stream) {
    if (count == 0) return call.reply.null_array();
    say_stream_range(call.reply, stream, from, to, static_cast<std::size_t>(count.value_or(0)),
                     backwards);
  });
}

void xrange(Call& call) {
  say_range(call, false);
}

void xrevrange(Call& call) {
  say_range(call, true);
}

// XDEL key id [id ...] -> how many there were. The key stays.
void xdel(Call& call) {
  const auto absent = [&] { call.reply.integer(0); };
  update_stream(call, call.key(), absent, [&](Slot& slot, Stream& stream) {
    std::vector<StreamId> ids;
    Args args = call.args_from(2);
    while (args.more()) ids.push_back(read_stream_id(args));
    if (!args.finish()) return call.reply.error(args.problem());
    std::int64_t removed = 0;
    for (const StreamId id : ids) removed += stream.remove(id);
    if (removed > 0) {
      slot.tell_change();
      call.event(EventClass::stream, "xdel", slot.key().bytes);
    }
    call.reply.integer(removed);
  });
}

// XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] -> how many went.
void xtrim(Call& call) {
  Args args = call.args_from(2);
  const AddOptions options = read_options(args, call, false);
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.integer(0); };
  update_stream(call, call.key(), absent, [&](Slot& slot, Stream& stream) {
    const std::size_t removed = stream.trim(options.trim);
    if (removed > 0) {
      slot.tell_change();
      call.event(EventClass::stream, "xtrim", slot.key().bytes);
    }
    call.reply.integer(static_cast<std::int64_t>(removed));
  });
}

struct SetIdOptions {
  StreamId id = {};
  std::optional<std::int64_t> entries_added = {};
  StreamId max_deleted_id = {};  // lowest: not given
};

SetIdOptions read_set_id(Args& args) {
  SetIdOptions options;
  options.id = read_stream_id(args);
  while (args.more()) {
    const bool has_more = args.left() >= 2;
    if (has_more && args.eat("ENTRIESADDED")) {
      options.entries_added = args.integer();
      if (*options.entries_added < 0) args.fail(errors::xsetid_negative_added);
    } else if (has_more && args.eat("MAXDELETEDID")) {
      options.max_deleted_id = read_stream_id(args);
      if (options.id < options.max_deleted_id) args.fail(errors::xsetid_given_deleted);
    } else {
      args.fail(errors::syntax);
    }
  }
  return options;
}

// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
void xsetid(Call& call) {
  Args args = call.args_from(2);
  const SetIdOptions options = read_set_id(args);
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.error(errors::no_such_key); };
  update_stream(call, call.key(), absent, [&](Slot& slot, Stream& stream) {
    if (options.id < stream.max_deleted_id()) {
      return call.reply.error(errors::xsetid_below_deleted);
    }
    if (stream.size() > 0) {
      if (options.id < *stream.last_entry_id()) return call.reply.error(errors::xsetid_low_id);
      if (options.entries_added &&
          stream.size() > static_cast<std::uint64_t>(*options.entries_added)) {
        return call.reply.error(errors::xsetid_few_added);
      }
    }
    stream.set_last_id(options.id);
    if (options.entries_added) {
      stream.set_entries_added(static_cast<std::uint64_t>(*options.entries_added));
    }
    if (options.max_deleted_id != StreamId::lowest()) {
      stream.set_max_deleted_id(options.max_deleted_id);
    }
    call.event(EventClass::stream, "xsetid", slot.key().bytes);
    call.reply.ok();
  });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "XADD",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = xadd,
     .summary = "Add an entry at the end of a stream, which is made if it is not there",
     .since = "5.0.0",
     .syntax =
         "key [NOMKSTREAM] [<MAXLEN|MINID> [=|~] threshold:string [LIMIT count]] <*|id:string> "
         "field value [field value ...]",
     .complexity = "O(1); O(N) when trimming, where N is the number of entries removed",
     .tips = "nondeterministic_output",
     .access = Access::rw | Access::update},
    {.name = "XLEN",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = xlen,
     .summary = "How many entries a stream has",
     .since = "5.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "XRANGE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = xrange,
     .summary = "The entries between two ids",
     .since = "5.0.0",
     .syntax = "key start:string end:string [COUNT count]",
     .complexity = "O(N) where N is the number of entries told"},
    {.name = "XREVRANGE",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = xrevrange,
     .summary = "The entries between two ids, the last one first",
     .since = "5.0.0",
     .syntax = "key end:string start:string [COUNT count]",
     .complexity = "O(N) where N is the number of entries told"},
    {.name = "XDEL",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = xdel,
     .summary = "Remove entries by their ids and say how many there were",
     .since = "5.0.0",
     .syntax = "key id:string [id:string ...]",
     .complexity = "O(1) for each entry",
     .access = Access::rw | Access::remove},
    {.name = "XTRIM",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = writes,
     .run = xtrim,
     .summary = "Remove entries from the beginning, until so many are left or up to an id",
     .since = "5.0.0",
     .syntax = "key <MAXLEN|MINID> [=|~] threshold:string [LIMIT count]",
     .complexity = "O(N) where N is the number of entries removed",
     .tips = "nondeterministic_output",
     .access = Access::rw | Access::remove},
    {.name = "XSETID",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = xsetid,
     .summary = "Set what a stream takes for its last id",
     .since = "5.0.0",
     .syntax = "key last-id:string [ENTRIESADDED entries-added:integer] "
               "[MAXDELETEDID max-deleted-id:string]",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
};

}  // namespace

const Family streams{"stream", table};

std::string stream_id_text(StreamId id) {
  char text[kStreamIdChars];
  char* end = protocol::write_unsigned(text, id.ms);
  *end++ = '-';
  end = protocol::write_unsigned(end, id.number);
  return {text, end};
}

std::optional<StreamId> parse_stream_id(std::string_view word, std::uint64_t missing) {
  const auto halves = split_id(word);
  if (!halves) return std::nullopt;
  const auto ms = parse_half(halves->ms);
  const auto number = halves->number ? parse_half(*halves->number) : std::optional(missing);
  if (!ms || !number) return std::nullopt;
  return StreamId{*ms, *number};
}

std::optional<NewStreamId> parse_new_stream_id(std::string_view word) {
  const auto halves = split_id(word);
  if (halves && halves->number == "*") {
    const auto ms = parse_half(halves->ms);
    if (!ms) return std::nullopt;
    return NewStreamId{StreamId{*ms, 0}, false};
  }
  const auto id = parse_stream_id(word);
  if (!id) return std::nullopt;
  return NewStreamId{id, true};
}

StreamId read_stream_id(Args& args) {
  const auto id = parse_stream_id(args.take());
  if (!id) args.fail(errors::stream_id);
  return id.value_or(StreamId::lowest());
}

StreamId read_range_end(Args& args, std::string_view word, RangeEnd end) {
  const bool excludes = word.size() > 1 && word.front() == '(';
  if (excludes) word.remove_prefix(1);
  if (!excludes && word == "-") return StreamId::lowest();
  if (!excludes && word == "+") return StreamId::highest();
  const auto id = parse_stream_id(word, end == RangeEnd::start ? 0 : StreamId::kMost);
  if (!id) args.fail(errors::stream_id);
  if (!id || !excludes) return id.value_or(StreamId::lowest());
  const auto within = end == RangeEnd::start ? id->next() : id->previous();
  if (!within) args.fail(end == RangeEnd::start ? errors::stream_start_id : errors::stream_end_id);
  return within.value_or(StreamId::lowest());
}

void say_stream_id(Reply& reply, StreamId id) {
  reply.bulk(stream_id_text(id));
}

void say_stream_entry(Reply& reply, const StreamEntry& entry) {
  reply.array(2);
  say_stream_id(reply, entry.id());
  reply.array(entry.size() * 2);
  entry.each([&](const storage::Bytes& field, const storage::Bytes& value) {
    answer_bytes(reply, field);
    answer_bytes(reply, value);
  });
}

void say_stream_range(Reply& reply, const Stream& stream, StreamId from, StreamId to,
                      std::size_t most, bool backwards) {
  std::vector<StreamEntry> entries;
  stream.each(from, to, backwards, [&](const StreamEntry& entry) {
    entries.push_back(entry);
    return entries.size() != most;
  });
  reply.array(entries.size());
  for (const StreamEntry& entry : entries) say_stream_entry(reply, entry);
}

std::int64_t stream_now_ms(const Call& call) {
  return call.services.timeline.wall_ms(call.now_ms);
}

}  // namespace larder::server
