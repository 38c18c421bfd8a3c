#include "storage/value.h"

namespace larder::storage {

std::string_view Value::encoding_name() const {
  switch (entry_->encoding()) {
    case Encoding::integer: return "int";
    case Encoding::embstr: return entry_->has(Entry::edited) ? "raw" : "embstr";
    case Encoding::listpack: return "listpack";
    case Encoding::listpackex: return "listpackex";
    case Encoding::intset: return "intset";
    case Encoding::quicklist: return "quicklist";
    case Encoding::hashtable: return "hashtable";
    case Encoding::skiplist: return "skiplist";
    case Encoding::stream: return "stream";
    case Encoding::raw:
    case Encoding::blob: return "raw";
  }
  return "raw";
}

std::string_view Value::type_name() const {
  constexpr std::string_view kNames[] = {"string", "list", "set", "zset", "hash", "stream"};
  return kNames[static_cast<std::size_t>(type())];
}

}  // namespace larder::storage
