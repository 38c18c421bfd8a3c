// Groups of a stream: making and removing them and their consumers (XGROUP), and taking what was
// read off their books (XACK). Reading for a group is stream_reads.cc, what is left lying
// stream_claims.cc.
//
// What a group knows is no change of the stream to WATCH, as in Redis; only a group that is removed
// is told, to those who wait for its entries.
// Thread: loop.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "server/commands/help.h"
#include "server/commands/streams.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Slot;
using storage::Stream;
using storage::StreamGroup;
using storage::StreamId;

// Positions of words.
constexpr std::size_t kKey = 2;
constexpr std::size_t kGroup = 3;

struct GroupOptions {
  bool makes_stream = false;
  std::int64_t entries_read = StreamGroup::kUnknown;
};

GroupOptions read_group_options(Args& args, const Call& call, bool creates) {
  GroupOptions options;
  while (args.more()) {
    if (creates && args.eat("MKSTREAM")) {
      options.makes_stream = true;
    } else if (args.left() >= 2 && args.eat("ENTRIESREAD")) {
      options.entries_read = args.integer();
      if (options.entries_read < StreamGroup::kUnknown) args.fail(errors::xgroup_entries_read);
    } else {
      args.fail(errors::unknown_subcommand_or_arity("XGROUP", call.word(1)));
    }
  }
  return options;
}

void tell(const Call& call, std::string_view event) {
  call.event(EventClass::stream, event, call.word(kKey));
}

// An id, or "$": the last there is.
StreamId read_group_id(Args& args, const Stream* stream) {
  if (!args.eat("$")) return read_stream_id(args);
  return stream == nullptr ? StreamId::lowest() : stream->last_id();
}

void make_group(Call& call, Slot& slot, StreamId id, const GroupOptions& options) {
  if (!slot.is_present()) make_stream(slot);
  slot.edit_object_quietly([&](storage::Object& object) {
    auto& stream = static_cast<Stream&>(object);
    if (stream.make_group(call.word(kGroup), id, options.entries_read) == nullptr) {
      return call.reply.error(errors::xgroup_exists);
    }
    tell(call, "xgroup-create");
    call.reply.ok();
  });
}

// XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]
void create(Call& call) {
  Args args = call.args_from(5);
  const GroupOptions options = read_group_options(args, call, true);
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.update(call.key(kKey), [&](Slot& slot) {
    if (is_other_type(slot, storage::Type::stream)) return call.reply.error(errors::wrong_type);
    if (!slot.is_present() && !options.makes_stream) {
      return call.reply.error(errors::xgroup_no_key);
    }
    const Stream* stream = slot.is_present() ? &storage::stream_of(slot.value()->object())
                                             : nullptr;
    Args id_word = call.args_from(4);
    const StreamId id = read_group_id(id_word, stream);
    if (id_word.failed()) return call.reply.error(id_word.problem());
    make_group(call, slot, id, options);
  });
}

// Says what is wrong, or edit(Slot&, Stream&, StreamGroup&) of the group that is named.
template <class Edit>
void update_group(Call& call, Edit&& edit) {
  const auto absent = [&] { call.reply.error(errors::xgroup_no_key); };
  update_stream(call, call.key(kKey), absent, [&](Slot& slot, Stream& stream) {
    StreamGroup* group = stream.group(call.word(kGroup));
    if (group == nullptr) {
      return call.reply.error(errors::no_such_group(call.word(kGroup), call.word(kKey)));
    }
    edit(slot, stream, *group);
  });
}

// XGROUP SETID key group id|$ [ENTRIESREAD entries-read]
void setid(Call& call) {
  Args args = call.args_from(5);
  const GroupOptions options = read_group_options(args, call, false);
  if (!args.finish()) return call.reply.error(args.problem());
  update_group(call, [&](Slot&, Stream& stream, StreamGroup& group) {
    Args id_word = call.args_from(4);
    const StreamId id = read_group_id(id_word, &stream);
    if (id_word.failed()) return call.reply.error(id_word.problem());
    group.last_id = id;
    group.entries_read = options.entries_read;
    tell(call, "xgroup-setid");
    call.reply.ok();
  });
}

// XGROUP DESTROY key group -> whether there was one. Who waits for its entries is told.
void destroy(Call& call) {
  const auto absent = [&] { call.reply.error(errors::xgroup_no_key); };
  update_stream(call, call.key(kKey), absent, [&](Slot& slot, Stream& stream) {
    const bool was_there = stream.remove_group(call.word(kGroup));
    if (was_there) {
      slot.tell_change();
      tell(call, "xgroup-destroy");
    }
    call.reply.integer(was_there ? 1 : 0);
  });
}

// XGROUP CREATECONSUMER key group consumer -> whether there was none.
void createconsumer(Call& call) {
  update_group(call, [&](Slot&, Stream&, StreamGroup& group) {
    const bool is_new = group.consumer(call.word(4)) == nullptr;
    if (is_new) see_consumer(call, group, call.word(4), call.word(kKey));
    call.reply.integer(is_new ? 1 : 0);
  });
}

// XGROUP DELCONSUMER key group consumer -> how much was pending for it.
void delconsumer(Call& call) {
  update_group(call, [&](Slot&, Stream&, StreamGroup& group) {
    const bool was_there = group.consumer(call.word(4)) != nullptr;
    const std::size_t pending = group.remove_consumer(call.word(4));
    if (was_there) tell(call, "xgroup-delconsumer");
    call.reply.integer(static_cast<std::int64_t>(pending));
  });
}

// XACK key group id [id ...] -> how many of them were pending.
void xack(Call& call) {
  const auto absent = [&] { call.reply.integer(0); };
  update_stream(call, call.key(), absent, [&](Slot&, Stream& stream) {
    StreamGroup* group = stream.group(call.word(2));
    if (group == nullptr) return absent();
    std::vector<StreamId> ids;
    Args args = call.args_from(3);
    while (args.more()) ids.push_back(read_stream_id(args));
    if (!args.finish()) return call.reply.error(args.problem());
    std::int64_t acknowledged = 0;
    for (const StreamId id : ids) acknowledged += group->acknowledge(id);
    call.reply.integer(acknowledged);
  });
}

using enum Flag;

constexpr Command group_table[] = {
    {.name = "CREATE",
     .arity = at_least(5),
     .keys = key_at(2),
     .flags = writes | may_grow,
     .run = create,
     .summary = "Make a group that reads a stream on from an id",
     .since = "5.0.0",
     .syntax = "key group:string <id:string|$> [MKSTREAM] [ENTRIESREAD entries-read:integer]",
     .complexity = "O(1)",
     .access = Access::rw | Access::insert},
    {.name = "SETID",
     .arity = at_least(5),
     .keys = key_at(2),
     .flags = writes,
     .run = setid,
     .summary = "Set up to which id a group has read",
     .since = "5.0.0",
     .syntax = "key group:string <id:string|$> [ENTRIESREAD entries-read:integer]",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
    {.name = "DESTROY",
     .arity = exactly(4),
     .keys = key_at(2),
     .flags = writes,
     .run = destroy,
     .summary = "Remove a group with all that is pending",
     .since = "5.0.0",
     .syntax = "key group:string",
     .complexity = "O(N) where N is the number of pending entries",
     .access = Access::rw | Access::remove},
    {.name = "CREATECONSUMER",
     .arity = exactly(5),
     .keys = key_at(2),
     .flags = writes | may_grow,
     .run = createconsumer,
     .summary = "Make a consumer of a group",
     .since = "6.2.0",
     .syntax = "key group:string consumer:string",
     .complexity = "O(1)",
     .access = Access::rw | Access::insert},
    {.name = "DELCONSUMER",
     .arity = exactly(5),
     .keys = key_at(2),
     .flags = writes,
     .run = delconsumer,
     .summary = "Remove a consumer with all that is pending for it, and say how much that was",
     .since = "5.0.0",
     .syntax = "key group:string consumer:string",
     .complexity = "O(N) where N is the number of entries pending for the consumer",
     .access = Access::rw | Access::remove},
    help_row("5.0.0"),
};

constexpr Command table[] = {
    {.name = "XGROUP",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "The groups that read a stream",
     .since = "5.0.0",
     .subcommands = group_table,
     .complexity = "Depends on the subcommand"},
    {.name = "XACK",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = writes | fast,
     .run = xack,
     .summary = "Say that entries a group was given are done with",
     .since = "5.0.0",
     .syntax = "key group:string id:string [id:string ...]",
     .complexity = "O(log N) for each id, where N is the number of pending entries",
     .access = Access::rw | Access::update},
};

}  // namespace

const Family stream_groups{"stream", table};

storage::StreamConsumer& see_consumer(const Call& call, StreamGroup& group, std::string_view name,
                                      std::string_view key) {
  const std::int64_t now_ms = stream_now_ms(call);
  if (storage::StreamConsumer* consumer = group.consumer(name)) {
    consumer->seen_ms = now_ms;
    return *consumer;
  }
  storage::StreamConsumer& consumer = group.make_consumer(name, now_ms);
  call.event(EventClass::stream, "xgroup-createconsumer", key);
  return consumer;
}

}  // namespace larder::server
