#include "storage/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "storage/memory.h"

namespace larder::storage {

TimerWheel::TimerWheel(std::int64_t now_ms) : tick_(tick_of_now(now_ms)) {}

TimerWheel::~TimerWheel() {
  const auto free_chain = [](Chunk* chunk) {
    while (chunk != nullptr) {
      Chunk* next = chunk->next;
      release(chunk);
      chunk = next;
    }
  };
  free_chain(due_);
  free_chain(swept_out_);
  for (auto& ring : rings_) {
    for (Chunk* chunk : ring) free_chain(chunk);
  }
}

std::size_t TimerWheel::used_bytes() const {
  return sizeof(*this) + chunks_ * footprint(sizeof(Chunk));
}

TimerWheel::Place TimerWheel::place_of(Deadline deadline) const {
  const std::int64_t tick = std::max(tick_of(deadline), tick_ + 1);
  const std::uint64_t differs = static_cast<std::uint64_t>(tick) ^
                                static_cast<std::uint64_t>(tick_);
  const int ring = (static_cast<int>(std::bit_width(differs)) - 1) / 8;
  if (ring < kRings) return {ring, tick >> (8 * ring)};
  // Beyond the last ring's turn: its own slot if that comes up first there, or else the one that
  // comes up latest, from where it is hung again.
  constexpr int kLast = kRings - 1;
  const std::int64_t here = tick_ >> (8 * kLast);
  return {kLast, std::min(tick >> (8 * kLast), here + std::int64_t{kSlots} - 1)};
}

void TimerWheel::add(std::uint32_t name, Deadline deadline) {
  const Place place = place_of(deadline);
  hang(name, static_cast<std::size_t>(place.ring), place.slot());
}

void TimerWheel::hang(std::uint32_t name, std::size_t ring, std::size_t slot) {
  Chunk*& head = rings_[ring][slot];
  // A key whose deadline comes and goes leaves names behind, which find each other here when they
  // are hung again.
  if (head != nullptr && std::find(head->names.begin(), head->names.begin() + head->count, name) !=
                             head->names.begin() + head->count) {
    return;
  }
  if (head == nullptr || head->count == head->names.size()) {
    auto* chunk = static_cast<Chunk*>(allocate(sizeof(Chunk)));
    chunk->next = head;
    chunk->count = 0;
    head = chunk;
    ++chunks_;
    occupied_[ring][slot / 64] |= 1ull << (slot % 64);
  }
  head->names[head->count++] = name;
  ++size_;
}

bool TimerWheel::take(Chunk*& chain, std::uint32_t& name) {
  if (chain == nullptr) return false;
  name = chain->names[--chain->count];
  --size_;
  if (chain->count == 0) {
    Chunk* empty = chain;
    chain = chain->next;
    release(empty);
    --chunks_;
  }
  return true;
}

TimerWheel::Chunk* TimerWheel::take_slot(std::size_t ring, std::size_t slot) {
  occupied_[ring][slot / 64] &= ~(1ull << (slot % 64));
  return std::exchange(rings_[ring][slot], nullptr);
}

// A sweep that has found little to drop is not begun again before there is twice as much.
bool TimerWheel::begin_sweep(std::size_t live) {
  kept_ = std::min(kept_, size_);
  if (size_ <= 2 * std::max(live, kept_) + kFewNames) return false;
  sweep_number_ = 3 - sweep_number_;
  sweep_ring_ = kRings - 1;
  sweep_at_ = (tick_ >> (8 * sweep_ring_)) + std::int64_t{kSlots};
  return true;
}

// False: there is none left, and the sweep is over.
bool TimerWheel::take_out_next_slot() {
  for (; sweep_ring_ > 0; --sweep_ring_) {
    const std::int64_t here = tick_ >> (8 * sweep_ring_);
    sweep_at_ = std::min(sweep_at_, here + std::int64_t{kSlots});
    while (--sweep_at_ > here && (sweep_at_ << (8 * sweep_ring_)) - tick_ > kSoonTicks) {
      const Place place{sweep_ring_, sweep_at_};
      swept_out_ = take_slot(static_cast<std::size_t>(place.ring), place.slot());
      if (swept_out_ != nullptr) return true;
    }
    sweep_at_ = INT64_MAX;
  }
  kept_ = size_;
  return false;
}

int TimerWheel::first_occupied(int ring, std::size_t from) const {
  const auto& words = occupied_[static_cast<std::size_t>(ring)];
  for (std::size_t i = from / 64; i < words.size(); ++i) {
    std::uint64_t word = words[i];
    if (i == from / 64) word &= ~0ull << (from % 64);
    if (word != 0) return static_cast<int>(i * 64) + std::countr_zero(word);
  }
  return -1;
}

// Moves time to the next tick at which a slot comes up, and takes that slot's names as due; or to
// the target.
// False: the target is reached and nothing is due. Names come up in their own ring and are visited
// then: those which are not due yet are hung again, one ring further down.
bool TimerWheel::step_towards(std::int64_t target) {
  if (tick_ >= target) return false;
  // The nearest slot of each ring comes up at the tick where its bytes below are zero.
  std::int64_t nearest = target + 1;
  int nearest_ring = -1;
  for (int ring = 0; ring < kRings; ++ring) {
    const int shift = 8 * ring;
    const auto here = static_cast<std::size_t>(tick_ >> shift) & (kSlots - 1);
    int slot = here + 1 < kSlots ? first_occupied(ring, here + 1) : -1;
    std::int64_t turns = tick_ >> (shift + 8);
    if (slot < 0) {
      slot = first_occupied(ring, 0);
      ++turns;  // only the last ring holds names beyond its own turn
    }
    if (slot < 0) continue;
    const std::int64_t tick = ((turns << 8) + slot) << shift;
    if (tick < nearest) {
      nearest = tick;
      nearest_ring = ring;
    }
  }
  if (nearest_ring < 0 || nearest > target) {
    tick_ = target;
    return false;
  }
  const auto r = static_cast<std::size_t>(nearest_ring);
  const auto slot = static_cast<std::size_t>(nearest >> (8 * nearest_ring)) & (kSlots - 1);
  // Only one ring has names for this tick: while time was before it, all of them differed from time
  // in the same byte.
  tick_ = nearest;
  due_ = take_slot(r, slot);
  return true;
}

}  // namespace larder::storage
