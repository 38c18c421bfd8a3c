// Streams read on from an id, and waited for: XREAD for oneself, XREADGROUP as one of a group.
//
// Both look at all their keys under one hold of all shards. XREAD takes nothing: whoever waits gets
// the new entries, and "$" is turned into the id that is the last now before it sleeps. XREADGROUP
// with ">" gives each entry to one of the group, those who wait first come first served; with an id
// it tells again what is pending for this consumer, and never waits.
//
// Who waits is asked whenever one of its keys has changed, and looks at all of them anew, as Redis
// does from 7.2 on: so it may answer with several streams, and with NOGROUP or WRONGTYPE when the
// group or the stream is gone.
// Thread: loop; a waiting client's read may run on the loop of whoever changed the key.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "server/commands/shared_args.h"
#include "server/commands/streams.h"
#include "server/engine/blocking.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "storage/store.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Keyspace;
using storage::Slot;
using storage::Stream;
using storage::StreamConsumer;
using storage::StreamEntry;
using storage::StreamGroup;
using storage::StreamId;
using storage::StreamPending;
using storage::Value;

struct ReadRequest {
  bool is_group = false;  // XREADGROUP
  std::string_view group = {};
  std::string_view consumer = {};
  bool wants_no_ack = false;
  std::size_t most = 0;                   // of each stream; 0: all
  std::optional<std::int64_t> wait_ms{};  // BLOCK; 0: for ever
  std::size_t first_key = 0;              // positions of words; as many ids follow the keys
  std::size_t keys = 0;
};

// Where to read a stream on from.
struct From {
  StreamId after = {};
  bool is_new = false;  // ">": what nobody of the group was given
};

void read_option(Args& args, const Call& call, ReadRequest& request) {
  const bool has_more = args.left() >= 2;
  if (has_more && args.eat("BLOCK")) {
    request.wait_ms = read_timeout(args, call, TimeUnit::milliseconds);
  } else if (has_more && args.eat("COUNT")) {
    request.most = static_cast<std::size_t>(std::max<std::int64_t>(args.integer(), 0));
  } else if (args.left() >= 3 && args.eat("GROUP")) {
    if (!request.is_group) return args.fail(errors::xread_group);
    request.group = args.take();
    request.consumer = args.take();
  } else if (args.eat("NOACK")) {
    if (!request.is_group) return args.fail(errors::xread_no_ack);
    request.wants_no_ack = true;
  } else {
    args.fail(errors::syntax);
  }
}

// [GROUP group consumer] [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id
// ...]
ReadRequest read_request(Args& args, const Call& call, bool is_group) {
  ReadRequest request{.is_group = is_group};
  while (args.more() && request.keys == 0) {
    if (args.left() < 2 || !args.eat("STREAMS")) {
      read_option(args, call, request);
      continue;
    }
    const Words streams = args.take_words(args.left());
    if (streams.size() % 2 != 0) {
      args.fail(errors::unbalanced_streams);
    }
    request.keys = streams.size() / 2;
    request.first_key = call.words.size() - streams.size();
  }
  if (request.keys == 0) args.fail(errors::syntax);
  if (is_group && request.group.data() == nullptr) args.fail(errors::xreadgroup_no_group);
  return request;
}

// Of what was asked of one stream, which may not be there; any problem is latched.
From read_from(Args& args, const ReadRequest& request, std::string_view word,
               const Stream* stream) {
  if (word == "$") {
    if (request.is_group) args.fail(errors::xreadgroup_last);
    return {.after = stream == nullptr ? StreamId::lowest() : stream->last_id()};
  }
  if (word == "+") {
    if (request.is_group) args.fail(errors::xreadgroup_last_entry);
    if (stream == nullptr) return {};
    const auto last = stream->last_entry_id();
    return {.after = last ? last->previous().value_or(*last) : stream->last_id()};
  }
  if (word == ">") {
    if (!request.is_group) args.fail(errors::xread_new);
    return {.is_new = true};
  }
  const auto id = parse_stream_id(word);
  if (!id) args.fail(errors::stream_id);
  return {.after = id.value_or(StreamId::lowest())};
}

// From where each stream is to be read; what is wrong with one of them is latched. The shards are
// held.
std::vector<From> read_places(Call& call, Args& args, const ReadRequest& request) {
  std::vector<From> places;
  for (std::size_t i = 0; i < request.keys && !args.failed(); ++i) {
    const std::string_view name = call.word(request.first_key + i);
    call.keys.read(call.keys.key(name), [&](const Value* value) {
      if (is_other_type(value, storage::Type::stream)) return args.fail(errors::wrong_type);
      const Stream* stream = value == nullptr ? nullptr : &storage::stream_of(value->object());
      if (request.is_group && (stream == nullptr || stream->group(request.group) == nullptr)) {
        return args.fail(errors::no_group_to_read(name, request.group));
      }
      const std::string_view word = call.word(request.first_key + request.keys + i);
      places.push_back(read_from(args, request, word, stream));
    });
  }
  return places;
}

// Whether the stream has something from there on. Makes sure that the group knows the consumer, who
// has been seen now.
bool has_more(Call& call, const ReadRequest& request, std::string_view name, const From& from) {
  return call.keys.update(call.keys.key(name), [&](Slot& slot) {
    if (!slot.is_present()) return false;
    return slot.edit_object_quietly([&](storage::Object& object) {
      auto& stream = static_cast<Stream&>(object);
      const auto last = stream.last_entry_id();
      if (!request.is_group) return last && *last > from.after;
      StreamGroup& group = *stream.group(request.group);
      see_consumer(call, group, request.consumer, name);
      return !from.is_new || (last && *last > group.last_id);
    });
  });
}

void say_new(Call& call, const ReadRequest& request, const Stream& stream, StreamGroup& group,
             StreamConsumer& consumer) {
  const auto after = group.last_id.next();
  std::vector<StreamEntry> entries;
  if (after) {
    stream.each(*after, StreamId::highest(), false, [&](const StreamEntry& entry) {
      entries.push_back(entry);
      return entries.size() != request.most;
    });
  }
  call.reply.array(entries.size());
  for (const StreamEntry& entry : entries) {
    say_stream_entry(call.reply, entry);
    stream.pass(group, entry.id());
    consumer.active_ms = consumer.seen_ms;
    if (request.wants_no_ack) continue;
    StreamPending& pending = group.assign(entry.id(), consumer);
    pending.delivered_ms = consumer.seen_ms;
    pending.deliveries = 1;
  }
}

// What is pending for the consumer, once more; of entries that are gone only the ids.
void say_pending(Call& call, const ReadRequest& request, StreamId after, const Stream& stream,
                 StreamGroup& group, const StreamConsumer& consumer) {
  std::vector<StreamId> ids;
  for (auto id = consumer.pending.upper_bound(after);
       id != consumer.pending.end() && (request.most == 0 || ids.size() < request.most); ++id) {
    ids.push_back(*id);
  }
  call.reply.array(ids.size());
  for (const StreamId id : ids) {
    const auto entry = stream.find(id);
    if (!entry) {
      call.reply.array(2);
      say_stream_id(call.reply, id);
      call.reply.null_array();
      continue;
    }
    say_stream_entry(call.reply, *entry);
    StreamPending& pending = *group.find(id);
    pending.delivered_ms = consumer.seen_ms;
    ++pending.deliveries;
  }
}

void say_stream(Call& call, const ReadRequest& request, std::string_view name, const From& from) {
  if (call.client.protocol < 3) call.reply.array(2);
  call.reply.bulk(name);
  call.keys.update(call.keys.key(name), [&](Slot& slot) {
    slot.edit_object_quietly([&](storage::Object& object) {
      auto& stream = static_cast<Stream&>(object);
      if (!request.is_group) {
        return say_stream_range(call.reply, stream, *from.after.next(), StreamId::highest(),
                                request.most, false);
      }
      StreamGroup& group = *stream.group(request.group);
      StreamConsumer& consumer = *group.consumer(request.consumer);
      if (from.is_new) return say_new(call, request, stream, group, consumer);
      say_pending(call, request, from.after, stream, group, consumer);
    });
  });
}

// Says what there is; false when there is nothing. The shards are held.
bool say_streams(Call& call, const ReadRequest& request, const std::vector<From>& places) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < request.keys; ++i) {
    if (has_more(call, request, call.word(request.first_key + i), places[i])) found.push_back(i);
  }
  if (found.empty()) return false;
  call.client.protocol < 3 ? call.reply.array(found.size()) : call.reply.map(found.size());
  for (const std::size_t i : found) {
    say_stream(call, request, call.word(request.first_key + i), places[i]);
  }
  return true;
}

// Somebody waits already for what a group would give: the turn is theirs, and the lane sees to it.
bool is_behind_others(Call& call, const ReadRequest& request, const std::vector<From>& places) {
  bool is_behind = false;
  for (std::size_t i = 0; i < request.keys; ++i) {
    const Key name = call.keys.key(call.word(request.first_key + i));
    storage::WaitTable& waits = call.services.store.cell_of(name).shard.waits;
    if (!request.is_group || !places[i].is_new) return false;
    if (waits.find(call.keys.db(), name.bytes) == nullptr) continue;
    call.lane.ready.add(call.keys.db(), name.bytes);
    is_behind = true;
  }
  return is_behind;
}

bool take(Call& call, bool is_group) {
  Args args = call.args_from(1);
  const ReadRequest request = read_request(args, call, is_group);
  const std::vector<From> places = read_places(call, args, request);
  if (args.failed()) {
    call.reply.error(args.problem());
    return true;
  }
  return say_streams(call, request, places);
}

bool take_for_oneself(Call& call, std::size_t) {
  return take(call, false);
}

bool take_for_group(Call& call, std::size_t) {
  return take(call, true);
}

// Sleeps with ids in the place of "$" and "+", which mean another one later.
void wait_for_more(Call& call, Call& inside, const ReadRequest& request,
                   const std::vector<From>& places) {
  std::vector<std::string> texts;
  texts.reserve(request.keys);
  std::vector<std::string_view> words(call.words.begin(), call.words.end());
  for (std::size_t i = 0; i < request.keys; ++i) {
    if (places[i].is_new) continue;
    words[request.first_key + request.keys + i] =
        texts.emplace_back(stream_id_text(places[i].after));
  }
  inside.words = words;
  wait_without_looking(call, inside,
                       {.first_key = request.first_key,
                        .keys = request.keys,
                        .type = storage::Type::stream,
                        .takes_from_all = true,
                        .minds_absence = request.is_group,
                        .timeout_ms = *request.wait_ms,
                        .take = request.is_group ? take_for_group : take_for_oneself,
                        .give_up = say_null_array});
}

void read_on(Call& call, bool is_group) {
  Args args = call.args_from(1);
  const ReadRequest request = read_request(args, call, is_group);
  if (args.failed()) return call.reply.error(args.problem());
  std::vector<Key> names;
  for (std::size_t i = 0; i < request.keys; ++i) {
    names.push_back(call.keys.key(call.word(request.first_key + i)));
  }
  Keyspace::Several held(call.keys, names);
  Call inside = with_keys(call, *held);
  const std::vector<From> places = read_places(inside, args, request);
  if (args.failed()) return call.reply.error(args.problem());
  const bool may_wait = request.wait_ms && !call.in_exec && !call.in_script;
  if (!may_wait || !is_behind_others(inside, request, places)) {
    if (say_streams(inside, request, places)) return;
  }
  if (!may_wait) return call.reply.null_array();
  wait_for_more(call, inside, request, places);
}

void xread(Call& call) {
  read_on(call, false);
}

void xreadgroup(Call& call) {
  read_on(call, true);
}

using enum Flag;

constexpr Command table[] = {
    {.name = "XREAD",
     .arity = at_least(4),
     .keys = half_behind("STREAMS", 1),
     .flags = reads | blocking,
     .run = xread,
     .summary = "Entries behind an id of each of several streams, or wait for some",
     .since = "5.0.0",
     .syntax =
         "[COUNT count] [BLOCK milliseconds] <STREAMS key [key ...] id:string [id:string ...]>",
     .complexity = "O(N) where N is the number of entries told",
     .access = Access::ro | Access::access},
    {.name = "XREADGROUP",
     .arity = at_least(7),
     .keys = half_behind("STREAMS", 4),
     .flags = writes | blocking,
     .run = xreadgroup,
     .summary = "Entries that nobody of a group was given yet, or that one consumer has not "
                "acknowledged, or wait for some",
     .since = "5.0.0",
     .syntax = "<GROUP group consumer> [COUNT count] [BLOCK milliseconds] [NOACK] "
               "<STREAMS key [key ...] id:string [id:string ...]>",
     .complexity = "O(N log M) where N is the number of entries told and M of those pending",
     .access = Access::ro | Access::access},
};

}  // namespace

const Family stream_reads{"stream", table};

}  // namespace larder::server
