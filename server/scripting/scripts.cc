#include "server/scripting/scripts.h"

#include <algorithm>
#include <utility>

#include "protocol/errors.h"

namespace larder::server::scripting {

Scripts::Text Scripts::keep(const Sha& sha, std::string_view text, Origin origin) {
  const storage::MutexLock lock(mutex_);
  if (const auto found = texts_.find(sha); found != texts_.end()) {
    Kept& kept = found->second;
    if (kept.origin == Origin::eval && origin == Origin::load) {
      eval_order_.erase(kept.place);
      kept.origin = Origin::load;
    }
    return kept.text;
  }
  while (!eval_order_.empty() && (text_bytes_ + text.size() > kTextBytes ||
                                  (origin == Origin::eval && eval_order_.size() >= kEvalScripts))) {
    drop_oldest();
  }
  const bool has_room = text_bytes_ + text.size() <= kTextBytes;
  if (!has_room && origin == Origin::load) return nullptr;
  Text shared = std::make_shared<const std::string>(text);
  if (!has_room) return shared;
  auto place = eval_order_.end();
  if (origin == Origin::eval) place = eval_order_.insert(place, sha);
  texts_.emplace(sha, Kept{shared, origin, place});
  text_bytes_ += text.size();
  return shared;
}

void Scripts::drop_oldest() {
  const auto oldest = texts_.find(eval_order_.front());
  text_bytes_ -= oldest->second.text->size();
  texts_.erase(oldest);
  eval_order_.pop_front();
}

Scripts::Text Scripts::find(const Sha& sha) const {
  const storage::MutexLock lock(mutex_);
  const auto found = texts_.find(sha);
  return found == texts_.end() ? nullptr : found->second.text;
}

bool Scripts::has(const Sha& sha) const {
  const storage::MutexLock lock(mutex_);
  return texts_.contains(sha);
}

void Scripts::flush() {
  const storage::MutexLock lock(mutex_);
  texts_.clear();
  eval_order_.clear();
  text_bytes_ = 0;
  // Release: a lane that sees the new generation finds the texts gone.
  generation_.fetch_add(1, std::memory_order_release);
}

Scripts::Totals Scripts::totals() const {
  const storage::MutexLock lock(mutex_);
  Totals totals{texts_.size(), text_bytes_, interpreters_.size(), 0};
  for (const auto* used_bytes : interpreters_) {
    totals.interpreter_bytes += used_bytes->load(std::memory_order_relaxed);
  }
  return totals;
}

void Scripts::add_interpreter(const std::atomic<std::size_t>& used_bytes) {
  const storage::MutexLock lock(mutex_);
  interpreters_.push_back(&used_bytes);
}

void Scripts::forget_interpreter(const std::atomic<std::size_t>& used_bytes) {
  const storage::MutexLock lock(mutex_);
  std::erase(interpreters_, &used_bytes);
}

Scripts::Killed Scripts::request_kill(Kind kind) {
  std::uint32_t word = word_.load(std::memory_order_acquire);
  for (;;) {
    if (word == kIdle) return Killed::not_running;
    if ((word & kHasWritten) != 0) return Killed::has_written;
    const Kind running = (word & kFunction) != 0 ? Kind::function : Kind::script;
    if (running != kind) return Killed::other_kind;
    if (word_.compare_exchange_weak(word, word | kMustDie, std::memory_order_acq_rel)) {
      return Killed::yes;
    }
  }
}

void Scripts::request_stop() {
  std::uint32_t word = word_.load(std::memory_order_acquire);
  while (word != kIdle &&
         !word_.compare_exchange_weak(word, word | kMustDie, std::memory_order_acq_rel)) {
  }
}

std::string_view Scripts::busy_error() const {
  return kind() == Kind::function ? protocol::errors::busy_function : protocol::errors::busy_script;
}

void Scripts::begin(Kind kind) {
  word_.store(kind == Kind::function ? kRunning | kFunction : kRunning, std::memory_order_release);
}

void Scripts::end() {
  word_.store(kIdle, std::memory_order_release);
  if (!busy_.load(std::memory_order_relaxed)) return;
  busy_.store(false, std::memory_order_release);
  const storage::MutexLock lock(mutex_);
  running_.reset();
}

void Scripts::tell_running(Running running) {
  const storage::MutexLock lock(mutex_);
  running_ = std::move(running);
}

std::optional<Scripts::Running> Scripts::running() const {
  const storage::MutexLock lock(mutex_);
  return running_;
}

bool Scripts::begin_write() {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  while ((word & kHasWritten) == 0) {
    if ((word & kMustDie) != 0) return false;
    if (word_.compare_exchange_weak(word, word | kHasWritten, std::memory_order_acq_rel)) break;
  }
  return true;
}

Scripts::Order Scripts::next_order(Lane& lane, bool slow) {
  if (slow) {
    busy_.store(true, std::memory_order_release);
    if (slow_hook_) slow_hook_(lane);
  }
  const bool must_die = (word_.load(std::memory_order_acquire) & kMustDie) != 0;
  return must_die ? Order::die : Order::go_on;
}

std::uint32_t Scripts::draw_random() {
  // Relaxed: the numbers order nothing.
  std::uint64_t now = random_.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next = (now * 0x5DEECE66D + 0xB) & 0xFFFF'FFFF'FFFF;
  } while (!random_.compare_exchange_weak(now, next, std::memory_order_relaxed));
  return static_cast<std::uint32_t>(next >> 17);
}

void Scripts::seed_random(std::uint32_t seed) {
  random_.store((static_cast<std::uint64_t>(seed) << 16) + 0x330E, std::memory_order_relaxed);
}

}  // namespace larder::server::scripting
