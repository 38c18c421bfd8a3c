// A large string outside its entry, with a count of who holds it.
//
// Strings from kPinnedBytes on live here, so that a reply can be written to the socket from where
// the value lies: the output buffer takes a hold, the shard's lock is dropped, and an overwrite
// meanwhile only drops the store's own hold.
// A large one is freed by the reaper, not by whoever drops it last.
// Must hold: the bytes of a blob with more than one holder are never changed (a writer copies
// first).
// Thread: the count is atomic; the bytes belong to the shard's holder while the count is one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace larder::storage {

// From about here on copying under the shard's lock costs more than counting holders (16 KiB: half
// a microsecond against two atomics), and whole pages lose less than the heap's largest cells.
inline constexpr std::size_t kPinnedBytes = 10 * 1024;

class Blob {
 public:
  // One holder, size bytes (not initialised), room for capacity.
  static Blob* make(std::size_t size_bytes, std::size_t capacity_bytes);
  static Blob* copy_of(std::string_view bytes) { return copy_of(bytes, bytes.size()); }
  static Blob* copy_of(std::string_view bytes, std::size_t capacity_bytes);

  // Relaxed: the caller has a hold already.
  void hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  void drop();
  // The same for one more key that has it as its value, and for one that has not any more. Who made
  // it made it for one key.
  void keep() {
    keepers_.fetch_add(1, std::memory_order_relaxed);
    hold();
  }
  void drop_by_key();
  // Of blobs that are no key's any more, while replies hold them still.
  static std::size_t orphaned_bytes();
  bool is_shared() const { return holders_.load(std::memory_order_acquire) > 1; }

  std::string_view bytes() const { return {data(), size_}; }
  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  void resize(std::size_t size_bytes);  // within capacity
  std::size_t weight_bytes() const;

 private:
  static constexpr std::uint32_t kOrphan = UINT32_MAX;

  Blob(std::size_t size, std::size_t capacity) : holders_(1), size_(size), capacity_(capacity) {}

  std::atomic<std::uint32_t> holders_;
  // Those of them that are keys, or kOrphan. Relaxed: a count; the last holder reads what the last
  // key wrote before it dropped its hold.
  std::atomic<std::uint32_t> keepers_{1};
  std::size_t size_;
  std::size_t capacity_;
};

}  // namespace larder::storage
