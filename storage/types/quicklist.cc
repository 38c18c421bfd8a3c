#include "storage/types/quicklist.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "storage/ensure.h"
#include "storage/memory.h"

namespace larder::storage {
namespace {

// A node that is limited by its elements may not be larger than this either (Redis's figure).
constexpr std::size_t kMostCountedBytes = 8192;
constexpr std::array<std::size_t, 5> kNodeBytes = {4096, 8192, 16384, 32768, 65536};

// A run slides over, or an outgrown chunk keeps its slack, only from this share of it on: so that
// what is moved is paid for by what comes into that room.
constexpr std::size_t kWorthwhileShare = 8;
// What removals leave behind in a chunk may be half slack before it is made anew.
constexpr std::size_t kSparseShare = 2;
// A chunk for few elements is not made smaller than this.
constexpr std::size_t kFewestBytes = 64;

using Chunk = Quicklist::Chunk;

// Where the nth element of a run begins; the end for the nth of n. Walks from the nearer end.
std::size_t offset_of(const Chunk& chunk, std::size_t index) {
  const Packed run(chunk.run());
  if (index <= chunk.count / 2) {
    std::size_t at = 0;
    for (; index > 0; --index) at = run.next(at);
    return at;
  }
  std::size_t at = run.end();
  for (; index < chunk.count; ++index) at = run.before(at);
  return at;
}

std::size_t count_before(const Chunk& chunk, std::size_t end) {
  const Packed run(chunk.run());
  std::size_t count = 0;
  for (std::size_t at = 0; at < end; at = run.next(at)) ++count;
  return count;
}

}  // namespace

RunLimit::RunLimit(std::int64_t list_max_listpack_size)
    : bytes_(kMostCountedBytes),
      elements_(std::numeric_limits<std::uint32_t>::max()),
      counts_elements_(list_max_listpack_size >= 0) {
  if (counts_elements_) {
    elements_ = static_cast<std::size_t>(std::max<std::int64_t>(list_max_listpack_size, 1));
  } else {
    const auto worst = -static_cast<std::int64_t>(kNodeBytes.size());
    bytes_ = kNodeBytes[static_cast<std::size_t>(-std::max(list_max_listpack_size, worst) - 1)];
  }
  bytes_ -= kListpackBytes;
}

Quicklist::~Quicklist() {
  for (Chunk* chunk = first_; chunk != nullptr;) release(std::exchange(chunk, chunk->next));
}

std::size_t Quicklist::weight_bytes() const {
  return footprint(sizeof(Quicklist)) + weight_;
}

Object* Quicklist::copy() const {
  auto* twin = new Quicklist(limit_);
  for (const Chunk* chunk = first_; chunk != nullptr; chunk = chunk->next) {
    Chunk* const other = twin->make_chunk(chunk->size());
    std::memcpy(other->bytes(), chunk->run().data(), chunk->size());
    other->end = static_cast<std::uint32_t>(chunk->size());
    other->count = chunk->count;
    twin->link_behind(twin->last_, other);
  }
  twin->size_ = size_;
  return twin;
}

// Chunks: made, linked, made anew.

// With all of malloc's rounding. An empty run at its start.
Chunk* Quicklist::make_chunk(std::size_t capacity) {
  const std::size_t bytes = usable(sizeof(Chunk) + capacity);
  ensure(bytes - sizeof(Chunk) <= std::numeric_limits<std::uint32_t>::max(),
         "an element fits into a chunk");
  auto* chunk = static_cast<Chunk*>(allocate(bytes));
  *chunk = Chunk{.previous = nullptr,
                 .next = nullptr,
                 .capacity = static_cast<std::uint32_t>(bytes - sizeof(Chunk)),
                 .begin = 0,
                 .end = 0,
                 .count = 0};
  weight_ += footprint(bytes);
  return chunk;
}

void Quicklist::free_chunk(Chunk* chunk) {
  weight_ -= footprint(sizeof(Chunk) + chunk->capacity);
  release(chunk);
}

void Quicklist::link_behind(Chunk* before, Chunk* chunk) {
  chunk->previous = before;
  chunk->next = before == nullptr ? first_ : before->next;
  (before == nullptr ? first_ : before->next) = chunk;
  (chunk->next == nullptr ? last_ : chunk->next->previous) = chunk;
}

void Quicklist::unlink(Chunk* chunk) {
  (chunk->previous == nullptr ? first_ : chunk->previous->next) = chunk->next;
  (chunk->next == nullptr ? last_ : chunk->next->previous) = chunk->previous;
  free_chunk(chunk);
}

// Another chunk with the same run, at its start, in the place of this one.
Chunk* Quicklist::refit(Chunk* chunk, std::size_t capacity) {
  Chunk* const other = make_chunk(capacity);
  std::memcpy(other->bytes(), chunk->run().data(), chunk->size());
  other->end = static_cast<std::uint32_t>(chunk->size());
  other->count = chunk->count;
  link_behind(chunk, other);
  unlink(chunk);
  return other;
}

// Gives slack back that is more than that share of a chunk.
void Quicklist::trim_slack(Chunk* chunk, std::size_t share) {
  if (chunk->slack() > chunk->capacity / share && chunk->slack() > kFewestBytes) {
    refit(chunk, chunk->size());
  }
}

// Of a chunk that begins with an element of so many bytes, and will see others like it.
std::size_t Quicklist::first_capacity(std::size_t spelled_bytes) const {
  if (spelled_bytes > limit_.bytes() || !limit_.counts_elements()) {
    return std::max(spelled_bytes, limit_.bytes());
  }
  const std::size_t elements = std::min(limit_.elements(), limit_.bytes());
  return std::clamp(spelled_bytes * elements, std::max(spelled_bytes, kFewestBytes),
                    limit_.bytes());
}

Quicklist::Place Quicklist::nth(std::size_t index) const {
  ensure_hot(index < size_, "an element that is there");
  if (index < size_ / 2) {
    Chunk* chunk = first_;
    for (; index >= chunk->count; chunk = chunk->next) index -= chunk->count;
    return {chunk, offset_of(*chunk, index)};
  }
  std::size_t behind = size_ - index;  // this one and those behind it
  Chunk* chunk = last_;
  for (; behind > chunk->count; chunk = chunk->previous) behind -= chunk->count;
  return {chunk, offset_of(*chunk, chunk->count - behind)};
}

// The ends.

// Makes so many bytes of slack at that end of an admitting chunk, if it is worth it.
bool Quicklist::make_room(Chunk*& chunk, Side side, std::size_t bytes) {
  const std::size_t there = side == Side::left ? chunk->begin : chunk->capacity - chunk->end;
  if (there >= bytes) return true;
  const std::size_t size = chunk->size();
  if (chunk->slack() < std::max<std::size_t>(bytes, chunk->capacity / kWorthwhileShare)) {
    if (chunk->capacity >= limit_.bytes()) return false;
    chunk = refit(chunk, std::min(std::max(size * 2, size + bytes), limit_.bytes()));
  }
  const std::size_t begin = side == Side::left ? chunk->capacity - size : 0;
  std::memmove(chunk->bytes() + begin, chunk->run().data(), size);
  chunk->begin = static_cast<std::uint32_t>(begin);
  chunk->end = static_cast<std::uint32_t>(begin + size);
  return true;
}

void Quicklist::push(Side side, std::string_view spelled, std::size_t count) {
  const bool is_left = side == Side::left;
  Chunk* chunk = is_left ? first_ : last_;
  if (chunk == nullptr || !admits(*chunk, spelled.size(), count) ||
      !make_room(chunk, side, spelled.size())) {
    if (chunk != nullptr) trim_slack(chunk, kWorthwhileShare);
    chunk = make_chunk(std::max(first_capacity(spelled.size() / count), spelled.size()));
    if (is_left) chunk->begin = chunk->end = chunk->capacity;
    link_behind(is_left ? nullptr : last_, chunk);
  }
  const auto size = static_cast<std::uint32_t>(spelled.size());
  if (is_left) {
    chunk->begin -= size;
    std::memcpy(chunk->bytes() + chunk->begin, spelled.data(), size);
  } else {
    std::memcpy(chunk->bytes() + chunk->end, spelled.data(), size);
    chunk->end += size;
  }
  chunk->count += static_cast<std::uint32_t>(count);
  size_ += count;
}

void Quicklist::drop(Side side, std::size_t count) {
  size_ -= count;
  while (count > 0) {
    Chunk* const chunk = side == Side::left ? first_ : last_;
    if (count >= chunk->count) {
      count -= chunk->count;
      unlink(chunk);
      continue;
    }
    const auto left = static_cast<std::uint32_t>(chunk->count - count);
    if (side == Side::left) {
      chunk->begin += static_cast<std::uint32_t>(offset_of(*chunk, count));
    } else {
      chunk->end = chunk->begin + static_cast<std::uint32_t>(offset_of(*chunk, left));
    }
    chunk->count = left;
    return;
  }
}

// The middle.

// `inserted` in the place of `removed` bytes of a run; the count is the caller's. Answers the
// chunk, which may be another one then.
Chunk* Quicklist::splice(Chunk* chunk, std::size_t at, std::size_t removed,
                         std::string_view inserted) {
  const std::size_t tail = chunk->size() - at - removed;
  const std::size_t size = chunk->size() - removed + inserted.size();
  if (size > chunk->capacity) {
    const std::size_t most = std::max(size, limit_.bytes());
    chunk = refit(chunk, std::min(std::max(size, chunk->size() * 2), most));
  }
  // Where the run shall begin: as it does, if the tail has the room; else the head gives way; else
  // in the middle.
  const std::size_t old = chunk->begin;
  std::size_t begin = old;
  const bool head_moves = at < tail && old + removed >= inserted.size();
  if (head_moves) {
    begin = old + removed - inserted.size();
  } else if (old + size > chunk->capacity) {
    begin = (chunk->capacity - size) / 2;
  }
  char* const bytes = chunk->bytes();
  const std::size_t old_tail = old + at + removed;
  const std::size_t new_tail = begin + at + inserted.size();
  // Neither part may be overwritten before it has been moved.
  if (begin > old) {
    std::memmove(bytes + new_tail, bytes + old_tail, tail);
    std::memmove(bytes + begin, bytes + old, at);
  } else {
    std::memmove(bytes + begin, bytes + old, at);
    std::memmove(bytes + new_tail, bytes + old_tail, tail);
  }
  inserted.copy(bytes + begin + at, inserted.size());  // which may be nothing, and point nowhere
  chunk->begin = static_cast<std::uint32_t>(begin);
  chunk->end = static_cast<std::uint32_t>(begin + size);
  return chunk;
}

// A chunk of its own behind that one.
void Quicklist::insert_between(Chunk* before, std::string_view spelled) {
  Chunk* const chunk = make_chunk(spelled.size());
  std::memcpy(chunk->bytes(), spelled.data(), spelled.size());
  chunk->end = static_cast<std::uint32_t>(spelled.size());
  chunk->count = 1;
  link_behind(before, chunk);
}

// The elements from that place on in a chunk of their own, which is answered. Neither is empty.
Chunk* Quicklist::split(Place place) {
  Chunk* const chunk = place.chunk;
  const std::string_view tail = chunk->run().substr(place.at);
  Chunk* const other = make_chunk(tail.size());
  std::memcpy(other->bytes(), tail.data(), tail.size());
  other->end = static_cast<std::uint32_t>(tail.size());
  const std::size_t kept = count_before(*chunk, place.at);
  other->count = static_cast<std::uint32_t>(chunk->count - kept);
  chunk->end = chunk->begin + static_cast<std::uint32_t>(place.at);
  chunk->count = static_cast<std::uint32_t>(kept);
  link_behind(chunk, other);
  return other;
}

void Quicklist::insert(Place place, std::string_view spelled) {
  Chunk* chunk = place.chunk;
  ++size_;
  const auto put = [&](Chunk* into, std::size_t at) {
    ++into->count;
    splice(into, at, 0, spelled);
  };
  if (admits(*chunk, spelled.size())) return put(chunk, place.at);
  Chunk* before = chunk;
  Chunk* behind = chunk->next;
  if (place.at == 0) {
    before = chunk->previous;
    behind = chunk;
  } else if (place.at < chunk->size()) {
    behind = split(place);
  }
  if (before != nullptr && admits(*before, spelled.size())) return put(before, before->size());
  if (behind != nullptr && admits(*behind, spelled.size())) return put(behind, 0);
  insert_between(before, spelled);
}

void Quicklist::replace(Place place, std::string_view spelled) {
  Chunk* chunk = place.chunk;
  const std::size_t removed = Packed(chunk->run()).next(place.at) - place.at;
  const std::size_t size = chunk->size() - removed + spelled.size();
  if (chunk->count == 1 || limit_.admits(size, chunk->count)) {
    chunk = splice(chunk, place.at, removed, spelled);
    if (chunk->capacity > limit_.bytes()) trim_slack(chunk, kWorthwhileShare);
    return;
  }
  --chunk->count;
  --size_;
  chunk = splice(chunk, place.at, removed, {});
  insert({chunk, place.at}, spelled);
}

std::size_t Quicklist::remove(std::string_view text, std::size_t most, Side side) {
  std::size_t removed = 0;
  for (Chunk* chunk = side == Side::left ? first_ : last_; chunk != nullptr && removed < most;) {
    Chunk* const following = side == Side::left ? chunk->next : chunk->previous;
    const std::size_t here = remove_in(chunk, text, most - removed, side);
    removed += here;
    if (here > 0) tidy(chunk, side);
    chunk = following;
  }
  size_ -= removed;
  return removed;
}

// What stays closes up towards the start of the run.
std::size_t Quicklist::remove_in(Chunk* chunk, std::string_view text, std::size_t most, Side side) {
  const Packed run(chunk->run());
  std::vector<std::size_t> found;
  for (std::size_t at = run.find(text, 0, 1); at < run.end();) {
    found.push_back(at);
    if (side == Side::left && found.size() == most) break;
    at = run.find(text, run.next(at), 1);
  }
  const std::size_t skipped = found.size() > most ? found.size() - most : 0;
  if (found.empty()) return 0;
  found.push_back(run.end());
  std::size_t write = found[skipped];
  char* const bytes = chunk->bytes() + chunk->begin;
  for (std::size_t i = skipped; i + 1 < found.size(); ++i) {
    const std::size_t kept = run.next(found[i]);
    std::memmove(bytes + write, bytes + kept, found[i + 1] - kept);
    write += found[i + 1] - kept;
  }
  const std::size_t removed = found.size() - 1 - skipped;
  chunk->end = chunk->begin + static_cast<std::uint32_t>(write);
  chunk->count -= static_cast<std::uint32_t>(removed);
  return removed;
}

// A chunk that has lost elements: none may be empty, and where it fits into the neighbour on that
// side they become one. The other neighbour stays where it is.
void Quicklist::tidy(Chunk* chunk, Side side) {
  if (chunk->count == 0) return unlink(chunk);
  Chunk* const into = side == Side::left ? chunk->previous : chunk->next;
  if (into == nullptr || !admits(*into, chunk->size(), chunk->count)) {
    return trim_slack(chunk, kSparseShare);
  }
  into->count += chunk->count;
  splice(into, side == Side::left ? into->size() : 0, 0, chunk->run());
  unlink(chunk);
}

}  // namespace larder::storage
