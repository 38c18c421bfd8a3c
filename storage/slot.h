// A slot: one key, held for a change. What Keyspace::update hands to its visitor; void when the
// visit ends.
//
// Every change goes through here, so that table, wheel, memory account, and watchers stay in step:
// a caller cannot forget one of them. Reading value() does not count as a hit; commands whose
// answer is the old value say count_lookup().
// Thread: only inside the visit (the shard is held).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "storage/hash.h"
#include "storage/object.h"
#include "storage/outcome.h"
#include "storage/types/limits.h"
#include "storage/value.h"

namespace larder::storage {

class Shard;

class Slot {
 public:
  Slot(Shard& shard, std::uint32_t db, const Key& key, std::int64_t now_ms, Entry* entry)
      : shard_(shard), key_(key), now_ms_(now_ms), entry_(entry), db_(db) {}

  bool is_present() const { return entry_ != nullptr; }
  // Null when there is no such key (or its time has come). Void after any change below.
  const Value* value() {
    if (entry_ == nullptr) return nullptr;
    return &view_.emplace(*entry_);
  }
  Deadline deadline() const { return entry_ ? entry_->deadline() : Deadline::never(); }
  const Key& key() const { return key_; }
  // Counts a keyspace hit or miss, and touches the key, as a read would.
  void count_lookup();

  // Whatever was there is replaced. A deadline that has passed already means: deleted.
  void set_bytes(std::string_view bytes, Deadline deadline);
  void set_bytes(NewBytes& bytes, Deadline deadline);
  void set_integer(std::int64_t integer, Deadline deadline);
  // Bytes that an operation has made (BITOP, PFADD): OBJECT ENCODING says raw, even if they spell a
  // number.
  void set_raw(std::string_view bytes, Deadline deadline);
  // The key must be present. A deadline that has passed already deletes the key.
  void set_deadline(Deadline deadline);
  // False when there was nothing to erase.
  bool erase();

  // RESTORE: the key, which is present, was last used so long ago; or it is used so often, on the
  // scale of the LFU policies (0 to 255). Each is of no meaning under a policy that does not tell.
  void was_used_before(std::int64_t idle_ms);
  void is_used_often(unsigned frequency);

  // Strings only (absent counts as empty); the deadline stays. Each answers the new length in
  // bytes.
  Result<std::size_t> append(std::string_view tail, std::size_t max_bytes);
  Result<std::size_t> set_range(std::size_t offset, std::string_view bytes, std::size_t max_bytes);
  // The bytes to write into, at least one and at least so many: zeros where there were none. Counts
  // as a change whatever is written; void after the next one.
  Result<std::span<char>> open(std::size_t least_bytes);
  // Absent counts as 0; the deadline stays.
  Result<std::int64_t> increment(std::int64_t by);

  // Collections. What storage/types makes of these is what commands use. A deadline stays while the
  // value changes; who takes the last element out says erase(): there are no empty collections.
  //
  // A packed one in the place of whatever was there, or of nothing.
  void set_packed(Type type, Encoding encoding, std::string_view bytes);
  // `inserted` in the place of `removed` bytes at `at` of the packed value that is there (behind
  // the head of a hash of which fields expire); there are `count` elements then. Pointers into the
  // value are void after it.
  void splice_packed(std::size_t at, std::size_t removed, std::string_view inserted,
                     std::size_t count);
  // The same for the bytes of any inline collection, whose head is the caller's.
  void splice_inline(std::size_t at, std::size_t removed, std::string_view inserted);
  // An object, whose one hold becomes the entry's, in the place of whatever was there.
  void set_object(Type type, Encoding encoding, Object* object);
  // edit(Object&) of the object that is there: its weight and the watchers are seen to.
  template <class Edit>
  decltype(auto) edit_object(Edit&& edit) {
    const ObjectEdit held(*this);
    return edit(held.object());
  }
  // The same for an edit that answers how much it has changed; nothing (0, false): nobody is told.
  template <class Edit>
  auto change_object(Edit&& edit) {
    Object& object = *entry_->object();
    const std::size_t before_bytes = object.weight_bytes();
    const auto changed = edit(object);
    if (!changed) return changed;
    object_weighs(object.weight_bytes(), before_bytes);
    tell_change();
    return changed;
  }
  // A hash of which fields expire: the earliest deadline of those of a small one (never: none has
  // one), to be written into its head; or of a large one it has changed, and was `before`. Counted
  // as no change.
  void store_field_deadline(Deadline earliest);
  void field_deadlines_changed(Deadline before);
  // The same for what nobody waits for or watches (who has read a stream how far): only its weight
  // is seen to, until somebody says tell_change() after all.
  template <class Edit>
  decltype(auto) edit_object_quietly(Edit&& edit) {
    const ObjectEdit held(*this, ObjectEdit::Told::nobody);
    return edit(held.object());
  }
  void tell_change();
  // For them: how long collections stay compact, and the seed of hashes.
  const CollectionLimits& limits() const;
  std::uint64_t seed() const;

  // The value of another slot, with its deadline, under this key (RENAME moves, COPY copies). Both
  // shards are held.
  void move_from(Slot& source);
  void copy_from(const Slot& source);

 private:
  friend class Shard;

  class ObjectEdit {
   public:
    enum class Told : std::uint8_t { everybody, nobody };

    explicit ObjectEdit(Slot& slot, Told told = Told::everybody)
        : slot_(slot),
          object_(*slot.entry_->object()),
          before_bytes_(object_.weight_bytes()),
          told_(told) {}
    ~ObjectEdit() {
      slot_.object_weighs(object_.weight_bytes(), before_bytes_);
      if (told_ == Told::everybody) slot_.tell_change();
    }
    ObjectEdit(const ObjectEdit&) = delete;
    ObjectEdit& operator=(const ObjectEdit&) = delete;
    Object& object() const { return object_; }

   private:
    Slot& slot_;
    Object& object_;
    std::size_t before_bytes_;
    Told told_;
  };

  Entry* entry() const { return entry_; }
  void put(Entry* newer);
  void object_weighs(std::size_t weight_bytes, std::size_t before_bytes);
  void put_value_of(const Entry& from, Object* object);
  void put_blob(Blob* blob, Deadline deadline);
  Result<std::size_t> edit(std::size_t offset, std::string_view bytes, std::size_t max_bytes);
  // As open(), but leaves new bytes from `kept` on for the caller to write.
  std::span<char> open_before(std::size_t least_bytes, std::size_t kept);
  char* open_in_place(std::size_t size_bytes);
  char* open_copy(std::string_view before, std::size_t size_bytes);

  Shard& shard_;
  const Key& key_;
  std::int64_t now_ms_;
  Entry* entry_;
  std::uint32_t db_;
  std::optional<Value> view_;
};

}  // namespace larder::storage
