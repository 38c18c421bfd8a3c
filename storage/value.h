// A value as a command sees it: its type, and a view for each type. Only storage/ knows the
// encodings behind it. Lives as long as the visit that handed it out.
#pragma once

#include <string_view>

#include "storage/clock.h"
#include "storage/ensure.h"
#include "storage/entry.h"
#include "storage/types/bytes.h"

namespace larder::storage {

class Value {
 public:
  explicit Value(Entry& entry) : entry_(&entry) {}

  Type type() const { return entry_->type(); }
  bool is_string() const { return type() == Type::string; }
  [[gnu::always_inline]] Bytes bytes() const {  // strings only
    ensure_hot(is_string(), "only strings have bytes");
    switch (entry_->encoding()) {
      case Encoding::integer: return Bytes(entry_->integer());
      case Encoding::blob: return Bytes(entry_->blob());
      default: return Bytes(entry_->inline_bytes());
    }
  }
  // The bytes of a collection that lies in its entry, or the object of one that does not. What is
  // in them storage/types knows.
  bool is_inline() const { return entry_->is_inline(); }
  std::string_view inline_bytes() const { return entry_->inline_bytes(); }
  Object& object() const {
    ensure_hot(entry_->has_object(), "only large collections have an object");
    return *entry_->object();
  }
  Encoding encoding() const { return entry_->encoding(); }
  Deadline deadline() const { return entry_->deadline(); }

  // As OBJECT ENCODING names it.
  std::string_view encoding_name() const;
  // As TYPE names it.
  std::string_view type_name() const;
  // Memory of key and value with all that hangs on them, in bytes.
  std::size_t weight_bytes() const { return entry_->weight_bytes(); }
  std::uint32_t eviction_bits() const { return entry_->eviction(); }

 private:
  Entry* entry_;
};

}  // namespace larder::storage
