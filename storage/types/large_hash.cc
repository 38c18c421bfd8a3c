#include "storage/types/large_hash.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "storage/ensure.h"
#include "storage/memory.h"

namespace larder::storage {
namespace {

// So many are looked at to find that no field is left, by who came to drop a few.
constexpr std::size_t kQuicklySeen = 4096;

}  // namespace

HashField* HashField::make(std::string_view name, std::string_view value, bool has_deadline) {
  ensure(name.size() <= kMostBytes && value.size() <= kMostBytes, "a field that was not refused");
  auto* field = new (allocate(size_bytes(name.size(), value.size(), has_deadline))) HashField;
  field->next = nullptr;
  field->name_bytes = static_cast<std::uint32_t>(name.size());
  field->store_value_size(value.size());
  field->has_deadline = has_deadline;
  name.copy(field->text(), name.size());
  value.copy(field->text() + name.size(), value.size());
  return field;
}

bool HashField::rewrite(std::string_view value) {
  const std::size_t bytes = size_bytes(name_bytes, value.size(), has_deadline);
  if (footprint(bytes) != footprint(size_bytes())) return false;
  const std::uint32_t place = has_deadline ? this->place() : 0;
  value.copy(text() + name_bytes, value.size());
  store_value_size(value.size());
  if (has_deadline) store_place(place);
  return true;
}

void FieldTimes::put(std::size_t at, Time time) {
  heap_[at] = time;
  time.field->store_place(static_cast<std::uint32_t>(at));
}

// Up from there, past all that are later.
void FieldTimes::rise(std::size_t at, Time time) {
  while (at > 0 && heap_[(at - 1) / 2].deadline_ms > time.deadline_ms) {
    put(at, heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  put(at, time);
}

// Down from there, past all that are earlier.
void FieldTimes::sink(std::size_t at, Time time) {
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].deadline_ms < heap_[child].deadline_ms)
      ++child;
    if (heap_[child].deadline_ms >= time.deadline_ms) break;
    put(at, heap_[child]);
    at = child;
  }
  put(at, time);
}

void FieldTimes::add(HashField& field, std::int64_t deadline_ms) {
  ensure(heap_.size() < std::numeric_limits<std::uint32_t>::max(), "places have 32 bits");
  heap_.emplace_back();
  rise(heap_.size() - 1, {deadline_ms, &field});
}

void FieldTimes::change(HashField& field, std::int64_t deadline_ms) {
  const std::size_t at = field.place();
  if (deadline_ms < heap_[at].deadline_ms) {
    rise(at, {deadline_ms, &field});
  } else {
    sink(at, {deadline_ms, &field});
  }
}

void FieldTimes::remove(const HashField& field) {
  constexpr std::size_t kFew = 16;
  const std::size_t at = field.place();
  const Time last = heap_.back();
  heap_.pop_back();
  if (at < heap_.size()) {
    if (at > 0 && last.deadline_ms < heap_[(at - 1) / 2].deadline_ms) {
      rise(at, last);
    } else {
      sink(at, last);
    }
  }
  if (heap_.capacity() > kFew && heap_.size() < heap_.capacity() / 4) {
    std::vector<Time> smaller;
    smaller.reserve(heap_.capacity() / 2);
    smaller.assign(heap_.begin(), heap_.end());
    heap_ = std::move(smaller);
  }
}

bool FieldTimes::are_all_due(std::int64_t now_ms) const {
  return std::all_of(heap_.begin(), heap_.end(),
                     [&](const Time& time) { return time.deadline_ms <= now_ms; });
}

void FieldTimes::moved(const HashField& older, HashField& newer) {
  const std::size_t at = older.place();
  put(at, {heap_[at].deadline_ms, &newer});
}

Object* LargeHash::copy() const {
  auto* twin = new LargeHash(seed_);
  if (times_ != nullptr) twin->times_ = std::make_unique<FieldTimes>();
  fields_.each([&](const HashField& field) {
    HashField* of_twin = HashField::make(field.name(), field.value(), field.has_deadline);
    twin->fields_.insert(of_twin);
    if (field.has_deadline) twin->times_->add(*of_twin, times_->deadline_ms(field));
  });
  return twin;
}

bool LargeHash::set(std::string_view field, std::string_view value, Time time) {
  const auto [there, is_new] =
      fields_.find_or_insert(field, [&] { return HashField::make(field, value, false); });
  if (is_new) return true;
  if (there->has_deadline && time == Time::dropped) {
    forget_time(*there);
    renew(there, value, false);
  } else if (!there->rewrite(value)) {
    renew(there, value, there->has_deadline);
  }
  return false;
}

// Another allocation in the place of the field's: its time is known under it, if it has one.
void LargeHash::renew(HashField* there, std::string_view value, bool has_deadline) {
  HashField* newer = HashField::make(there->name(), value, has_deadline);
  if (has_deadline && there->has_deadline) times_->moved(*there, *newer);
  fields_.replace(there, newer);
}

void LargeHash::forget_time(const HashField& field) {
  times_->remove(field);
  if (times_->size() == 0) times_.reset();
}

bool LargeHash::erase(std::string_view field) {
  if (times_ == nullptr) return fields_.erase(field);
  HashField* there = fields_.take(field);
  if (there == nullptr) return false;
  if (there->has_deadline) forget_time(*there);
  HashField::destroy(there);
  return true;
}

void LargeHash::set_deadline(std::string_view field, Deadline deadline) {
  HashField* there = fields_.find(field);
  ensure(there != nullptr, "only a field that is there gets a deadline");
  const std::string_view value = there->value();
  if (deadline.is_never()) {
    if (!there->has_deadline) return;
    forget_time(*there);
    return renew(there, value, false);
  }
  if (there->has_deadline) return times_->change(*there, deadline.ms());
  HashField* newer = HashField::make(there->name(), value, true);
  fields_.replace(there, newer);
  if (times_ == nullptr) times_ = std::make_unique<FieldTimes>();
  times_->add(*newer, deadline.ms());
}

bool LargeHash::is_all_due(std::int64_t now_ms, std::size_t most) const {
  if (times_ == nullptr || times_->size() != size()) return false;
  return (most >= size() || size() <= kQuicklySeen) && times_->are_all_due(now_ms);
}

std::size_t LargeHash::drop_due(std::int64_t now_ms, std::size_t most) {
  std::size_t dropped = 0;
  for (; dropped < most && earliest().has_passed(now_ms); ++dropped) {
    erase(times_->earliest().field->name());
  }
  return dropped;
}

}  // namespace larder::storage
