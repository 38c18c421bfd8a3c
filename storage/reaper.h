// The reaper: a thread that gives large blobs back to the system, so that no loop waits for it.
//
// Freeing 400 MB takes 30 to 80 ms here, nearly all of it in the kernel, which takes back page
// after page. Whoever drops the last hold of a blob of kReapedBytes or more puts it on the reaper's
// list instead, which is one exchange and a wake-up; the list runs through the dead blobs
// themselves. The reaper gives pages back kStepBytes at a time, since the kernel locks the address
// space against new mappings meanwhile, and it runs behind the loops where they share a core.
//
// A key's memory leaves used_memory when the key goes; the process's own (used_memory_rss) follows
// some milliseconds later. That debt is bounded: with kMostWaitingBytes on the list, blobs are
// freed where they are dropped, and who deletes faster than the kernel takes back does the work
// himself.
//
// Collections go the same way (object.h): what takes time there is malloc, once for each element.
//
// There is one for the process, as there is one heap: drop() is called where no store is at hand
// (by replies that were sent). Without one, in tests and tools, everything is freed in place.
// Must hold: whoever drops blobs on other threads has ended before the reaper does.
// Thread: free() from any; made and ended by one.
// Measured (munmap of touched pages): 64 KiB 7 us, 256 KiB 20 us, 1 MiB 93 us, 16 MiB 1.8 ms,
// 400 MB 32 ms. Waking a thread costs some 5 us, so from 256 KiB on it is worth it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace larder::storage {

class Object;

// Freed in place below this.
inline constexpr std::size_t kReapedBytes = std::size_t{256} << 10;

class Reaper {
 public:
  // What may wait to be freed before others are freed in place (one more may pass it).
  static constexpr std::size_t kMostWaitingBytes = std::size_t{256} << 20;

  Reaper();
  ~Reaper();  // when all is freed
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // Of a run of PageRuns that was asked for with so many bytes: by the reaper if it is large and
  // there is one, else at once.
  static void free(void* memory, std::size_t size_bytes) noexcept;
  // An object that nobody holds any more: likewise.
  static void free(Object* object) noexcept;

  struct Counts {
    std::size_t waiting = 0;  // blobs and objects
    std::size_t waiting_bytes = 0;
    std::uint64_t freed = 0;  // since the start, or reset_counts()
  };
  static Counts counts();
  static void reset_counts();

 private:
  // Lies in the memory that is to be freed.
  struct Dead {
    Dead* next;
    std::size_t size_bytes;
  };
  static constexpr std::size_t kStepBytes = std::size_t{1} << 20;

  static Reaper* for_size(std::size_t size_bytes) noexcept;
  template <class Link>
  void take(std::atomic<Link*>& list, Link*& next, Link* dead) noexcept;
  void work();
  void reap(Dead* dead);
  void reap(Object* object);
  void count_freed(std::size_t size_bytes);

  static std::atomic<Reaper*> the_one_;

  std::atomic<Dead*> list_{nullptr};
  std::atomic<Object*> objects_{nullptr};
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::size_t> waiting_bytes_{0};
  std::atomic<std::uint64_t> freed_{0};
  std::atomic<std::uint32_t> bell_{0};  // rung when a list or is_ending_ changes
  std::atomic<bool> is_ending_{false};
  std::thread thread_;
};

}  // namespace larder::storage
