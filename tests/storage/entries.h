// Entries made by hand, for tests of what holds them.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "storage/entry.h"
#include "storage/heap.h"

namespace larder::storage {

// Where all of them lie.
inline Heap& test_heap() {
  static Arena arena(std::size_t{256} << 20);
  static Heap heap(arena);
  return heap;
}

struct DestroyEntry {
  void operator()(Entry* entry) const { entry->destroy(test_heap()); }
};
using OwnedEntry = std::unique_ptr<Entry, DestroyEntry>;

// An entry that no table knows, with its value inside.
inline OwnedEntry make_text(std::string_view key, std::string_view value,
                            Deadline deadline = Deadline::never()) {
  Entry* entry =
      Entry::make(test_heap(), key, {Type::string, Encoding::raw, deadline, value.size()});
  std::memcpy(entry->value(), value.data(), value.size());
  return OwnedEntry(entry);
}

}  // namespace larder::storage
