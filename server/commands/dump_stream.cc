// What a dump of a stream holds, one behind the other:
//
//   blocks      how many; of each its first id (16 bytes, the highest first) and its listpack
//   the stream  entries, last id; since 7.0: first id, highest deleted id, entries ever added
//   groups      how many; of each its name, last id, since 7.0 how much it has read;
//               pending: id, when, how often; consumers: name, when seen, since 7.2 when active,
//               ids that are pending for it
//
// Written as 7.0 does, which is what the version of our dumps promises; when a consumer was last
// given something does not fit into that. Read strictly: every id that is pending has one consumer,
// ids rise, counts are right.
#include "server/commands/dump_stream.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace larder::server {
namespace {

using protocol::RdbReader;
using protocol::RdbType;
using protocol::RdbWriter;
using storage::Stream;
using storage::StreamBlock;
using storage::StreamConsumer;
using storage::StreamGroup;
using storage::StreamId;
using storage::StreamPending;

constexpr std::size_t kIdBytes = 16;

std::string bytes_of(StreamId id) {
  std::string bytes;
  for (const std::uint64_t half : {id.ms, id.number}) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(half >> shift);
  }
  return bytes;
}

StreamId id_of(std::string_view bytes) {
  std::array<std::uint64_t, 2> halves{};
  for (std::size_t i = 0; i < kIdBytes; ++i) {
    halves[i / 8] = halves[i / 8] << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return {halves[0], halves[1]};
}

void write_id(RdbWriter& writer, StreamId id) {
  writer.length(id.ms);
  writer.length(id.number);
}

void write_moment(RdbWriter& writer, std::int64_t ms) {
  writer.moment(static_cast<std::uint64_t>(ms));
}

std::int64_t read_moment(RdbReader& reader) {
  return static_cast<std::int64_t>(reader.moment());
}

void write_group(RdbWriter& writer, std::string_view name, const StreamGroup& group) {
  writer.string(name);
  write_id(writer, group.last_id);
  writer.length(static_cast<std::uint64_t>(group.entries_read));
  writer.length(group.pending().size());
  for (const auto& [id, pending] : group.pending()) {
    writer.raw(bytes_of(id));
    write_moment(writer, pending.delivered_ms);
    writer.length(pending.deliveries);
  }
  writer.length(group.consumers().size());
  for (const auto& [consumer_name, consumer] : group.consumers()) {
    writer.string(consumer_name);
    write_moment(writer, consumer.seen_ms);
    writer.length(consumer.pending.size());
    for (const StreamId id : consumer.pending) writer.raw(bytes_of(id));
  }
}

// Nothing, with the reader failed, where there are not so many bytes.
std::optional<StreamId> read_raw_id(RdbReader& reader) {
  const std::string_view bytes = reader.raw(kIdBytes);
  if (bytes.size() != kIdBytes) return std::nullopt;
  return id_of(bytes);
}

StreamId read_id(RdbReader& reader) {
  const std::uint64_t ms = reader.length();
  return {ms, reader.length()};
}

bool read_block(RdbReader& reader, Stream& stream) {
  const std::string first = reader.string();
  const std::string listpack = reader.string();
  if (!reader.is_good() || first.size() != kIdBytes) return false;
  auto block = StreamBlock::from_listpack(id_of(first), listpack);
  return block && stream.append(std::move(*block));
}

struct Delivery {
  StreamId id;
  std::int64_t delivered_ms;
  std::uint64_t deliveries;
};

std::vector<Delivery> read_deliveries(RdbReader& reader) {
  std::vector<Delivery> deliveries;
  for (std::uint64_t left = reader.count(); left > 0 && reader.is_good(); --left) {
    const auto id = read_raw_id(reader);
    const std::int64_t delivered_ms = read_moment(reader);
    const std::uint64_t times = reader.length();
    if (!id || (!deliveries.empty() && *id <= deliveries.back().id)) {
      reader.fail();
      break;
    }
    deliveries.push_back({*id, delivered_ms, times});
  }
  return deliveries;
}

// Gives the consumer what is pending for it; the rest of what that is comes later.
bool read_consumer(RdbReader& reader, RdbType type, StreamGroup& group) {
  const std::string name = reader.string();
  const std::int64_t seen_ms = read_moment(reader);
  const std::int64_t active_ms = type == RdbType::stream_72 ? read_moment(reader) : seen_ms;
  if (!reader.is_good() || group.consumer(name) != nullptr) return false;
  StreamConsumer& consumer = group.make_consumer(name, seen_ms);
  consumer.active_ms = active_ms;
  for (std::uint64_t left = reader.count(); left > 0; --left) {
    const auto id = read_raw_id(reader);
    if (!id || group.find(*id) != nullptr) return false;
    group.assign(*id, consumer);
  }
  return reader.is_good();
}

bool read_group(RdbReader& reader, RdbType type, Stream& stream) {
  const std::string name = reader.string();
  const StreamId last_id = read_id(reader);
  const bool is_counted = type != RdbType::stream_5;
  const auto counted = is_counted ? std::optional(reader.length()) : stream.count_up_to(last_id);
  if (!reader.is_good()) return false;
  StreamGroup* group = stream.make_group(
      name, last_id, counted ? static_cast<std::int64_t>(*counted) : StreamGroup::kUnknown);
  if (group == nullptr || group->entries_read < StreamGroup::kUnknown) return false;
  const std::vector<Delivery> deliveries = read_deliveries(reader);
  for (std::uint64_t left = reader.count(); left > 0; --left) {
    if (!read_consumer(reader, type, *group)) return false;
  }
  if (!reader.is_good() || deliveries.size() != group->pending().size()) return false;
  for (const Delivery& delivery : deliveries) {
    StreamPending* pending = group->find(delivery.id);
    if (pending == nullptr) return false;
    pending->delivered_ms = delivery.delivered_ms;
    pending->deliveries = delivery.deliveries;
  }
  return true;
}

bool read_all(RdbReader& reader, RdbType type, Stream& stream) {
  for (std::uint64_t left = reader.count(); left > 0; --left) {
    if (!read_block(reader, stream)) return false;
  }
  const std::uint64_t entries = reader.length();
  stream.set_last_id(read_id(reader));
  stream.set_entries_added(entries);
  if (type != RdbType::stream_5) {
    read_id(reader);  // the first entry's, which the blocks know
    stream.set_max_deleted_id(read_id(reader));
    stream.set_entries_added(reader.length());
  }
  if (!reader.is_good() || entries != stream.size()) return false;
  if (entries != 0 && stream.last_id() < *stream.last_entry_id()) return false;
  for (std::uint64_t left = reader.count(); left > 0; --left) {
    if (!read_group(reader, type, stream)) return false;
  }
  return reader.is_good();
}

}  // namespace

std::string dump_of_stream(const Stream& stream) {
  RdbWriter writer(RdbType::stream_70);
  writer.length(stream.blocks().size());
  for (const auto& [first, block] : stream.blocks()) {
    writer.string(bytes_of(first));
    writer.string(block.to_listpack());
  }
  writer.length(stream.size());
  write_id(writer, stream.last_id());
  write_id(writer, stream.first_id());
  write_id(writer, stream.max_deleted_id());
  writer.length(stream.entries_added());
  writer.length(stream.groups().size());
  for (const auto& [name, group] : stream.groups()) write_group(writer, name, group);
  return writer.finish();
}

StreamHold read_stream_dump(RdbReader& reader, RdbType type) {
  StreamHold stream(new Stream);
  if (read_all(reader, type, *stream)) return stream;
  reader.fail();
  return nullptr;
}

}  // namespace larder::server
