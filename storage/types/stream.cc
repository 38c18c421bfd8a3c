#include "storage/types/stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace larder::storage {
namespace {

constexpr std::size_t kBlockBytes = node_footprint<Stream::Blocks::value_type>();
constexpr std::size_t kGroupBytes = node_footprint<Stream::Groups::value_type>();

// Whether the entry of these words is to begin a new block. Redis counts the words as they are, and
// the listpack as it is before.
bool is_full(const StreamBlock& block, std::span<const std::string_view> words,
             const CollectionLimits& limits) {
  std::size_t bytes = 0;
  for (const std::string_view word : words) bytes += word.size();
  const std::size_t most = limits.stream_node_max_bytes;
  const bool is_bounded = most != 0 && most <= StreamBlock::kMostBytes;
  if (block.listpack_bytes() + bytes >= (is_bounded ? most : StreamBlock::kMostBytes)) return true;
  const std::size_t entries = limits.stream_node_max_entries;
  return entries != 0 && block.live() + block.deleted() >= entries;
}

}  // namespace

Stream::~Stream() = default;

std::size_t Stream::weight_of(const Blocks::value_type& block) {
  return kBlockBytes + block.second.heap_bytes();
}

Stream* Stream::copy() const {
  auto* twin = new Stream;
  for (const auto& each : blocks_) {
    const auto made = twin->blocks_.insert(twin->blocks_.end(), each);
    twin->weight_ += weight_of(*made);
  }
  twin->size_ = size_;
  twin->first_id_ = first_id_;
  twin->last_id_ = last_id_;
  twin->max_deleted_id_ = max_deleted_id_;
  twin->entries_added_ = entries_added_;
  for (const auto& [name, group] : groups_) {
    group.copy_to(*twin->make_group(name, group.last_id, group.entries_read));
  }
  return twin;
}

std::optional<StreamId> Stream::last_entry_id() const {
  std::optional<StreamId> last;
  each(StreamId::lowest(), StreamId::highest(), true, [&](const StreamEntry& entry) {
    last = entry.id();
    return false;
  });
  return last;
}

void Stream::append(StreamId id, std::span<const std::string_view> words,
                    const CollectionLimits& limits) {
  auto last = blocks_.empty() ? blocks_.end() : std::prev(blocks_.end());
  const bool is_new = last == blocks_.end() || is_full(last->second, words, limits);
  if (is_new) {
    if (last != blocks_.end()) {
      weight_ -= last->second.heap_bytes();
      last->second.close();
      weight_ += last->second.heap_bytes();
    }
    last = blocks_.emplace_hint(blocks_.end(), id, StreamBlock(id, words));
    weight_ += kBlockBytes;
  } else {
    weight_ -= last->second.heap_bytes();
  }
  last->second.append(id, words);
  weight_ += last->second.heap_bytes();
  last_id_ = id;
  ++entries_added_;
  if (size_++ == 0) first_id_ = id;
}

bool Stream::append(StreamBlock&& block) {
  if (block.live() == 0) return false;
  if (!blocks_.empty() && std::prev(blocks_.end())->second.last() >= block.first()) return false;
  size_ += block.live();
  const StreamId first = block.first();
  const auto made = blocks_.emplace_hint(blocks_.end(), first, std::move(block));
  weight_ += weight_of(*made);
  find_first();
  return true;
}

std::optional<StreamEntry> Stream::find(StreamId id) const {
  auto block = blocks_.upper_bound(id);
  if (block == blocks_.begin()) return std::nullopt;
  return std::prev(block)->second.find(id);
}

void Stream::erase(Blocks::iterator block) {
  weight_ -= weight_of(*block);
  blocks_.erase(block);
}

void Stream::find_first() {
  first_id_ = StreamId::lowest();
  each(StreamId::lowest(), StreamId::highest(), false, [&](const StreamEntry& entry) {
    first_id_ = entry.id();
    return false;
  });
}

bool Stream::remove(StreamId id) {
  auto block = blocks_.upper_bound(id);
  if (block == blocks_.begin()) return false;
  --block;
  if (!block->second.remove(id)) return false;
  --size_;
  if (block->second.live() == 0) erase(block);
  max_deleted_id_ = std::max(max_deleted_id_, id);
  if (id == first_id_) find_first();
  return true;
}

std::size_t Stream::trim_within(StreamBlock& block, const StreamTrim& trim, std::size_t left) {
  return block.remove_first([&](StreamId id) {
    if (trim.by == StreamTrim::By::id) return id < trim.least_id;
    return left > trim.most && left-- > 0;
  });
}

std::size_t Stream::trim(const StreamTrim& trim) {
  const std::size_t before = size_;
  while (!blocks_.empty() && (trim.by != StreamTrim::By::count || size_ > trim.most)) {
    const auto block = blocks_.begin();
    const std::size_t entries = block->second.live();
    if (trim.limit != 0 && before - size_ + entries > trim.limit) break;
    const bool goes = trim.by == StreamTrim::By::count ? size_ - entries >= trim.most
                                                       : block->second.last() < trim.least_id;
    if (goes) {
      erase(block);
      size_ -= entries;
      continue;
    }
    if (!trim.is_about) size_ -= trim_within(block->second, trim, size_);
    if (block->second.live() == 0) erase(block);
    break;
  }
  if (size_ != before) find_first();
  return before - size_;
}

StreamGroup* Stream::group(std::string_view name) {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : &found->second;
}

const StreamGroup* Stream::group(std::string_view name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : &found->second;
}

StreamGroup* Stream::make_group(std::string_view name, StreamId last_id,
                                std::int64_t entries_read) {
  if (group(name) != nullptr) return nullptr;
  const auto made = groups_
                        .emplace(std::piecewise_construct, std::forward_as_tuple(name),
                                 std::forward_as_tuple(weight_, last_id, entries_read))
                        .first;
  weight_ += kGroupBytes + heap_bytes_of(made->first);
  return &made->second;
}

bool Stream::remove_group(std::string_view name) {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return false;
  weight_ -= kGroupBytes + heap_bytes_of(found->first);
  groups_.erase(found);
  return true;
}

bool Stream::has_gaps_behind(StreamId id) const {
  return size_ > 0 && first_id_ < max_deleted_id_ && id <= max_deleted_id_;
}

std::optional<std::uint64_t> Stream::count_up_to(StreamId id) const {
  if (entries_added_ == 0) return 0;
  if (size_ == 0 && id <= last_id_) return entries_added_;
  if (id == last_id_) return entries_added_;
  if (id > last_id_) return std::nullopt;
  // Only while nothing was deleted from the middle are those that are gone all in front.
  const bool is_whole = max_deleted_id_ == StreamId::lowest() || max_deleted_id_ < first_id_;
  if (is_whole && id < first_id_) return entries_added_ - size_;
  if (is_whole && id == first_id_) return entries_added_ - size_ + 1;
  return std::nullopt;
}

void Stream::pass(StreamGroup& group, StreamId id) const {
  if (id <= group.last_id) return;
  if (group.entries_read != StreamGroup::kUnknown && !has_gaps_behind(id)) {
    ++group.entries_read;
  } else if (entries_added_ != 0) {
    const auto count = count_up_to(id);
    group.entries_read = count ? static_cast<std::int64_t>(*count) : StreamGroup::kUnknown;
  }
  group.last_id = id;
}

std::optional<std::int64_t> Stream::lag(const StreamGroup& group) const {
  if (entries_added_ == 0) return 0;
  const auto added = static_cast<std::int64_t>(entries_added_);
  if (group.entries_read != StreamGroup::kUnknown && !has_gaps_behind(group.last_id)) {
    return added - group.entries_read;
  }
  const auto count = count_up_to(group.last_id);
  if (!count) return std::nullopt;
  return added - static_cast<std::int64_t>(*count);
}

}  // namespace larder::storage
