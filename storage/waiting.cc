#include "storage/waiting.h"

#include <utility>

#include "storage/ensure.h"

namespace larder::storage {

void WaitQueue::append(WaitPlace& place) {
  place.queue = this;
  place.before = last_;
  (last_ == nullptr ? first_ : last_->after) = &place;
  last_ = &place;
  minders_ += place.waiter->minds_absence_ ? 1 : 0;
}

void WaitQueue::take_out(WaitPlace& place) {
  minders_ -= place.waiter->minds_absence_ ? 1 : 0;
  (place.before == nullptr ? first_ : place.before->after) = place.after;
  (place.after == nullptr ? last_ : place.after->before) = place.before;
  place.queue = nullptr;
  place.before = place.after = nullptr;
}

void ReadyKeys::add(std::uint32_t db, std::string_view key) {
  if (seen_.contains({db, key})) return;
  const Name& name = names_.emplace_back(Name{db, std::string(key)});
  seen_.insert({db, name.key});
}

ReadyKeys::Name ReadyKeys::take() {
  ensure(!names_.empty(), "who takes a ready key has seen that there is one");
  seen_.erase({names_.front().db, names_.front().key});
  Name name = std::move(names_.front());
  names_.pop_front();
  return name;
}

WaitQueue* WaitTable::find(std::uint32_t db, std::string_view key) {
  if (used_ == nullptr) return nullptr;
  const auto it = used_->queues.find({db, key});
  return it == used_->queues.end() ? nullptr : it->second.get();
}

void WaitTable::add(std::uint32_t db, std::string_view key, std::size_t shard, Waiter& waiter) {
  if (used_ == nullptr) used_ = std::make_unique<Used>();
  WaitQueue* queue = find(db, key);
  if (queue == nullptr) {
    auto made = std::make_unique<WaitQueue>(db, key);
    queue = made.get();
    used_->queues.emplace(queue->name(), std::move(made));
  }
  // Nobody else can have come behind it in the same hold.
  if (queue->last_ != nullptr && queue->last_->waiter == &waiter) return;
  queue->append(waiter.places_.emplace_front(WaitPlace{.waiter = &waiter, .shard = shard}));
}

void WaitTable::remove(WaitPlace& place) {
  WaitQueue* const queue = place.queue;
  if (queue == nullptr) return;
  queue->take_out(place);
  if (queue->first_ != nullptr) return;
  // The table's name of it is a view of its own: it goes with the queue, and not before.
  const auto it = used_->queues.find(queue->name());
  const std::unique_ptr<WaitQueue> last = std::move(it->second);
  used_->queues.erase(it);
  forget_if_unused();
}

void WaitTable::forget_if_unused() {
  if (used_->queues.empty() && used_->notes.empty()) used_.reset();
}

void WaitTable::note(WaitQueue& queue) {
  if (std::exchange(queue.is_noted_, true)) return;
  used_->notes.push_back({queue.db_, queue.key_});
}

void WaitTable::key_changed(std::uint32_t db, std::string_view key) {
  if (WaitQueue* queue = find(db, key)) note(*queue);
}

void WaitTable::database_changed(std::uint32_t db) {
  if (used_ == nullptr) return;
  for (auto& [name, queue] : used_->queues) {
    if (name.db == db) note(*queue);
  }
}

void WaitTable::move_notes(ReadyKeys& to) {
  if (used_ == nullptr) return;
  for (const ReadyKeys::Name& name : used_->notes) {
    to.add(name.db, name.key);
    if (WaitQueue* queue = find(name.db, name.key)) queue->is_noted_ = false;
  }
  used_->notes.clear();
  forget_if_unused();
}

}  // namespace larder::storage
