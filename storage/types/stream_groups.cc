#include "storage/types/stream_groups.h"

#include <utility>

namespace larder::storage {
namespace {

constexpr std::size_t kPendingBytes = node_footprint<StreamGroup::Pending::value_type>();
constexpr std::size_t kGivenBytes = node_footprint<StreamId>();
constexpr std::size_t kConsumerBytes = node_footprint<StreamGroup::Consumers::value_type>();

}  // namespace

std::size_t heap_bytes_of(const std::string& text) {
  static const std::size_t kWithin = std::string().capacity();
  return text.capacity() > kWithin ? footprint(text.capacity() + 1) : 0;
}

StreamGroup::~StreamGroup() {
  weight_ -= pending_.size() * (kPendingBytes + kGivenBytes);
  for (const auto& each : consumers_) weight_ -= weight_of(each);
}

std::size_t StreamGroup::weight_of(const Consumers::value_type& consumer) const {
  return kConsumerBytes + heap_bytes_of(consumer.first);
}

void StreamGroup::copy_to(StreamGroup& other) const {
  for (const auto& [name, consumer] : consumers_) {
    StreamConsumer& twin = other.make_consumer(name, consumer.seen_ms);
    twin.active_ms = consumer.active_ms;
  }
  for (const auto& [id, pending] : pending_) {
    StreamPending& twin = other.assign(id, *other.consumer(pending.consumer->name));
    twin.delivered_ms = pending.delivered_ms;
    twin.deliveries = pending.deliveries;
  }
}

StreamConsumer* StreamGroup::consumer(std::string_view name) {
  const auto found = consumers_.find(name);
  return found == consumers_.end() ? nullptr : &found->second;
}

const StreamConsumer* StreamGroup::consumer(std::string_view name) const {
  const auto found = consumers_.find(name);
  return found == consumers_.end() ? nullptr : &found->second;
}

StreamConsumer& StreamGroup::make_consumer(std::string_view name, std::int64_t seen_ms) {
  const auto made = consumers_.emplace(std::string(name), StreamConsumer{}).first;
  made->second.name = made->first;
  made->second.seen_ms = seen_ms;
  weight_ += weight_of(*made);
  return made->second;
}

std::size_t StreamGroup::remove_consumer(std::string_view name) {
  const auto found = consumers_.find(name);
  if (found == consumers_.end()) return 0;
  const std::size_t pending = found->second.pending.size();
  for (const StreamId id : found->second.pending) pending_.erase(id);
  weight_ -= pending * (kPendingBytes + kGivenBytes) + weight_of(*found);
  consumers_.erase(found);
  return pending;
}

StreamPending* StreamGroup::find(StreamId id) {
  const auto found = pending_.find(id);
  return found == pending_.end() ? nullptr : &found->second;
}

void StreamGroup::give(StreamId id, StreamConsumer& consumer) {
  consumer.pending.insert(id);
  weight_ += kGivenBytes;
}

void StreamGroup::take_back(StreamId id, StreamConsumer& consumer) {
  consumer.pending.erase(id);
  weight_ -= kGivenBytes;
}

StreamPending& StreamGroup::assign(StreamId id, StreamConsumer& consumer) {
  const auto [place, is_new] = pending_.try_emplace(id, StreamPending{&consumer, 0, 0});
  if (is_new) {
    weight_ += kPendingBytes;
    give(id, consumer);
  } else if (place->second.consumer != &consumer) {
    take_back(id, *std::exchange(place->second.consumer, &consumer));
    give(id, consumer);
  }
  return place->second;
}

bool StreamGroup::acknowledge(StreamId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return false;
  take_back(id, *found->second.consumer);
  pending_.erase(found);
  weight_ -= kPendingBytes;
  return true;
}

}  // namespace larder::storage
