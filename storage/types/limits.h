// How long collections stay compact: the thresholds of Redis's options of the same names.
//
// Set at start and by CONFIG SET; they rule what grows from then on, and do not change what is
// there. Thread: changed while every loop is held off.
#pragma once

#include <cstddef>
#include <cstdint>

namespace larder::storage {

struct CollectionLimits {
  std::size_t hash_max_listpack_entries = 512;  // fields
  std::size_t hash_max_listpack_value = 64;     // bytes of a field or value
  // Positive: elements in a node; -1 to -5: 4, 8, 16, 32, 64 KiB of a node.
  std::int64_t list_max_listpack_size = -2;
  std::size_t set_max_intset_entries = 512;
  std::size_t set_max_listpack_entries = 128;
  std::size_t set_max_listpack_value = 64;
  std::size_t zset_max_listpack_entries = 128;  // members
  std::size_t zset_max_listpack_value = 64;
  std::size_t stream_node_max_bytes = 4096;   // of a block; 0: any number
  std::size_t stream_node_max_entries = 100;  // in a block, deleted ones too; 0: any number
};

}  // namespace larder::storage
