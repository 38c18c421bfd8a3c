// XINFO: what is known of a stream, its groups and their consumers.
//
// Redis keeps the blocks of a stream in a radix tree by their 16-byte first ids, and tells how many
// nodes that tree has; people look at the number, so it is worked out here from the ids.
// Cost: of STREAM: O(blocks), for that number; FULL tells ten of each kind, or as many as it is
// asked for. Thread: loop.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/commands/help.h"
#include "server/commands/streams.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Stream;
using storage::StreamConsumer;
using storage::StreamEntry;
using storage::StreamGroup;
using storage::StreamId;
using storage::StreamPending;

constexpr std::size_t kIdBytes = 16;
using IdBytes = std::array<unsigned char, kIdBytes>;

IdBytes bytes_of(StreamId id) {
  IdBytes bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[7 - i] = static_cast<unsigned char>(id.ms >> (8 * i));
    bytes[15 - i] = static_cast<unsigned char>(id.number >> (8 * i));
  }
  return bytes;
}

std::size_t common_bytes(const IdBytes& a, const IdBytes& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
}

// Nodes of a radix tree of these ids, in which a run of bytes without a branch is one node. Each
// leaf is a node, each branch is one, and so is each run between two of them.
std::size_t radix_nodes(const Stream::Blocks& blocks) {
  if (blocks.empty()) return 1;
  std::size_t nodes = 0;
  std::vector<std::size_t> open;  // depths of the branches on the way to the last id, rising
  // The edge behind a branch (or the root) takes its first byte; what is longer is a run.
  const auto count_run = [&](std::optional<std::size_t> above, std::size_t depth) {
    const std::size_t begin = above ? *above + 1 : 0;
    nodes += depth > begin ? 1 : 0;
  };
  const auto above = [&](std::size_t left_out) -> std::optional<std::size_t> {
    if (open.size() <= left_out) return std::nullopt;
    return open[open.size() - 1 - left_out];
  };
  auto before = blocks.begin();
  for (auto block = std::next(before); block != blocks.end(); before = block++) {
    const std::size_t common = common_bytes(bytes_of(before->first), bytes_of(block->first));
    ++nodes;  // the leaf of the one before, and the run down to it
    count_run(std::max(above(0), std::optional(common)), kIdBytes);
    while (!open.empty() && open.back() > common) {
      ++nodes;  // that branch has all its children
      count_run(std::max(above(1), std::optional(common)), open.back());
      open.pop_back();
    }
    if (open.empty() || open.back() < common) open.push_back(common);
  }
  ++nodes;
  count_run(above(0), kIdBytes);
  for (; !open.empty(); open.pop_back()) {
    ++nodes;
    count_run(above(1), open.back());
  }
  return nodes;
}

void say_number(Reply& reply, std::string_view name, std::uint64_t number) {
  reply.bulk(name);
  reply.integer(static_cast<std::int64_t>(number));
}

void say_id(Reply& reply, std::string_view name, StreamId id) {
  reply.bulk(name);
  say_stream_id(reply, id);
}

void say_text(Reply& reply, std::string_view name, std::string_view text) {
  reply.bulk(name);
  reply.bulk(text);
}

void say_if_known(Reply& reply, std::string_view name, std::optional<std::int64_t> number) {
  reply.bulk(name);
  number ? reply.integer(*number) : reply.null();
}

void say_reading(Reply& reply, const Stream& stream, const StreamGroup& group) {
  say_id(reply, "last-delivered-id", group.last_id);
  const bool is_known = group.entries_read != StreamGroup::kUnknown;
  say_if_known(reply, "entries-read", is_known ? std::optional(group.entries_read) : std::nullopt);
  say_if_known(reply, "lag", stream.lag(group));
}

void say_head(Reply& reply, const Stream& stream) {
  say_number(reply, "length", stream.size());
  say_number(reply, "radix-tree-keys", stream.blocks().size());
  say_number(reply, "radix-tree-nodes", radix_nodes(stream.blocks()));
  say_id(reply, "last-generated-id", stream.last_id());
  say_id(reply, "max-deleted-entry-id", stream.max_deleted_id());
  say_number(reply, "entries-added", stream.entries_added());
  say_id(reply, "recorded-first-entry-id", stream.first_id());
}

void say_edge(Reply& reply, std::string_view name, const Stream& stream, bool from_end) {
  reply.bulk(name);
  bool is_said = false;
  stream.each(StreamId::lowest(), StreamId::highest(), from_end, [&](const StreamEntry& entry) {
    say_stream_entry(reply, entry);
    is_said = true;
    return false;
  });
  if (!is_said) reply.null();
}

void say_brief(Reply& reply, const Stream& stream) {
  reply.map(10);
  say_head(reply, stream);
  say_number(reply, "groups", stream.groups().size());
  say_edge(reply, "first-entry", stream, false);
  say_edge(reply, "last-entry", stream, true);
}

// 0: all of them.
std::size_t bounded(std::size_t size, std::size_t most) {
  return most == 0 ? size : std::min(size, most);
}

void say_full_consumer(Reply& reply, const StreamGroup& group, const StreamConsumer& consumer,
                       std::size_t most) {
  reply.map(5);
  say_text(reply, "name", consumer.name);
  reply.bulk("seen-time");
  reply.integer(consumer.seen_ms);
  reply.bulk("active-time");
  reply.integer(consumer.active_ms);
  say_number(reply, "pel-count", consumer.pending.size());
  reply.bulk("pending");
  std::size_t left = bounded(consumer.pending.size(), most);
  reply.array(left);
  for (auto id = consumer.pending.begin(); left > 0; --left, ++id) {
    const StreamPending& pending = group.pending().at(*id);
    reply.array(3);
    say_stream_id(reply, *id);
    reply.integer(pending.delivered_ms);
    reply.integer(static_cast<std::int64_t>(pending.deliveries));
  }
}

void say_full_group(Reply& reply, const Stream& stream, std::string_view name,
                    const StreamGroup& group, std::size_t most) {
  reply.map(7);
  say_text(reply, "name", name);
  say_reading(reply, stream, group);
  say_number(reply, "pel-count", group.pending().size());
  reply.bulk("pending");
  std::size_t left = bounded(group.pending().size(), most);
  reply.array(left);
  for (auto at = group.pending().begin(); left > 0; --left, ++at) {
    reply.array(4);
    say_stream_id(reply, at->first);
    reply.bulk(at->second.consumer->name);
    reply.integer(at->second.delivered_ms);
    reply.integer(static_cast<std::int64_t>(at->second.deliveries));
  }
  reply.bulk("consumers");
  reply.array(group.consumers().size());
  for (const auto& each : group.consumers()) say_full_consumer(reply, group, each.second, most);
}

void say_full(Reply& reply, const Stream& stream, std::size_t most) {
  reply.map(9);
  say_head(reply, stream);
  reply.bulk("entries");
  say_stream_range(reply, stream, StreamId::lowest(), StreamId::highest(), most, false);
  reply.bulk("groups");
  reply.array(stream.groups().size());
  for (const auto& [name, group] : stream.groups()) {
    say_full_group(reply, stream, name, group, most);
  }
}

// [FULL [COUNT count]]; nothing: not FULL.
std::optional<std::size_t> read_full(Args& args, const Call& call) {
  constexpr std::int64_t kUsual = 10;
  if (!args.more()) return std::nullopt;
  const bool fits = args.left() == 1 || args.left() == 3;
  if (!fits || !args.eat("FULL") || (args.more() && !args.eat("COUNT"))) {
    args.fail(errors::unknown_subcommand_or_arity("XINFO", call.word(1)));
  }
  const std::int64_t count = args.more() ? args.integer() : kUsual;
  return static_cast<std::size_t>(count < 0 ? kUsual : count);
}

template <class Look>
void read_known_stream(Call& call, Look&& look) {
  const auto absent = [&] { call.reply.error(errors::no_such_key); };
  read_stream(call, call.key(2), absent, look);
}

// XINFO STREAM key [FULL [COUNT count]]
void stream(Call& call) {
  read_known_stream(call, [&](const Stream& stream) {
    Args args = call.args_from(3);
    const auto most = read_full(args, call);
    if (!args.finish()) return call.reply.error(args.problem());
    most ? say_full(call.reply, stream, *most) : say_brief(call.reply, stream);
  });
}

void groups(Call& call) {
  read_known_stream(call, [&](const Stream& stream) {
    call.reply.array(stream.groups().size());
    for (const auto& [name, group] : stream.groups()) {
      call.reply.map(6);
      say_text(call.reply, "name", name);
      say_number(call.reply, "consumers", group.consumers().size());
      say_number(call.reply, "pending", group.pending().size());
      say_reading(call.reply, stream, group);
    }
  });
}

// How long ago it was seen, and was given something (or was it ever).
void consumers(Call& call) {
  read_known_stream(call, [&](const Stream& stream) {
    const StreamGroup* group = stream.group(call.word(3));
    if (group == nullptr) {
      return call.reply.error(errors::no_such_group(call.word(3), call.word(2)));
    }
    const std::int64_t now_ms = stream_now_ms(call);
    call.reply.array(group->consumers().size());
    for (const auto& [name, consumer] : group->consumers()) {
      call.reply.map(4);
      say_text(call.reply, "name", name);
      say_number(call.reply, "pending", consumer.pending.size());
      call.reply.bulk("idle");
      call.reply.integer(std::max<std::int64_t>(now_ms - consumer.seen_ms, 0));
      call.reply.bulk("inactive");
      const bool was_active = consumer.active_ms != StreamConsumer::kNever;
      call.reply.integer(was_active ? std::max<std::int64_t>(now_ms - consumer.active_ms, 0) : -1);
    }
  });
}

using enum Flag;

constexpr Command info_table[] = {
    {.name = "CONSUMERS",
     .arity = exactly(4),
     .keys = key_at(2),
     .flags = reads,
     .run = consumers,
     .summary = "The consumers of a group",
     .since = "5.0.0",
     .syntax = "key group:string",
     .complexity = "O(1)",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "GROUPS",
     .arity = exactly(3),
     .keys = key_at(2),
     .flags = reads,
     .run = groups,
     .summary = "The groups that read a stream",
     .since = "5.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro | Access::access},
    {.name = "STREAM",
     .arity = at_least(3),
     .keys = key_at(2),
     .flags = reads,
     .run = stream,
     .summary = "What is known of a stream, in brief or in full",
     .since = "5.0.0",
     .syntax = "key [FULL [COUNT count]]",
     .complexity = "O(N) where N is the number of blocks, and of what is told in full",
     .access = Access::ro | Access::access},
    help_row("5.0.0"),
};

constexpr Command table[] = {
    {.name = "XINFO",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "What is known of a stream beyond its entries",
     .since = "5.0.0",
     .subcommands = info_table,
     .complexity = "Depends on the subcommand"},
};

}  // namespace

const Family stream_info{"stream", table};

}  // namespace larder::server
