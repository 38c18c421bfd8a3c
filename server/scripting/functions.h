// Functions: the libraries that FUNCTION LOAD has brought, which all lanes share.
//
// A library is a text whose first line names it and its engine, and the functions it registered
// when it was loaded. It is kept once; each lane runs the text in its own interpreter when one of
// its functions is asked for there (loaded_libraries.h). What a library remembers in
// variables of its own is therefore each lane's, where Redis has one.
//
//     #!lua name=mylib                           text ─┬─ kept here, by name
//     redis.register_function('f', ...)                └─ run in a lane ──► f, by this library's id
//
// All libraries are one frozen Shelf. Who changes it builds the next one and puts it in the place
// of the old, so a change happens as a whole or not at all, and who reads holds the shelf it has
// found. An id is given to each library that is put up and to no other: a lane whose library of
// that id is gone forgets it.
//
// Names of functions are looked up with their case folded, those of libraries as they are, as in
// Redis 7.
//
// Must hold: no two functions on a shelf have the same name, folded (but for those of one library).
// Cost: a change copies the shelf; its size is bounded. A look-up is one hash.
// Thread: guarded by mutex_. Changes come from rows that hold every other loop off.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/mutex.h"

namespace larder::server::scripting {

// How many libraries there may be, and bytes of all their texts together.
inline constexpr std::size_t kLibraries = 10'000;
inline constexpr std::size_t kLibraryBytes = std::size_t{64} << 20;
// Functions that one library may register.
inline constexpr std::size_t kFunctionsOfLibrary = 10'000;

// What a function says of itself. The last three speak of replicas and clusters, of which there are
// none.
enum class FunctionFlag : std::uint8_t {
  no_writes = 1 << 0,
  allow_oom = 1 << 1,
  allow_stale = 1 << 2,
  no_cluster = 1 << 3,
  allow_cross_slot_keys = 1 << 4,
};
struct FunctionFlagName {
  FunctionFlag flag;
  std::string_view name;
};
inline constexpr FunctionFlagName kFunctionFlags[] = {
    {FunctionFlag::no_writes, "no-writes"},
    {FunctionFlag::allow_oom, "allow-oom"},
    {FunctionFlag::allow_stale, "allow-stale"},
    {FunctionFlag::no_cluster, "no-cluster"},
    {FunctionFlag::allow_cross_slot_keys, "allow-cross-slot-keys"},
};

struct Function {
  std::string name;
  std::optional<std::string> description;
  std::uint8_t flags = 0;  // FunctionFlag

  bool has(FunctionFlag flag) const { return (flags & static_cast<std::uint8_t>(flag)) != 0; }
};

struct Library {
  std::string name;
  std::string text;      // the whole, as it came
  std::size_t skip = 0;  // bytes of the first line, without its line end
  std::vector<Function> functions;
  std::uint64_t id = 0;
};
using LibraryRef = std::shared_ptr<const Library>;

// Whether functions and libraries may be called so.
bool is_function_name(std::string_view name);

// The library that a text says to be, with no functions yet; or what is wrong with its first line.
struct Announced {
  std::shared_ptr<Library> library;
  std::string problem;
};
Announced announced_library(std::string_view text);

class Functions {
 public:
  struct Found {
    LibraryRef library;
    const Function* function = nullptr;  // null: there is none of that name
  };
  Found find(std::string_view name) const;
  LibraryRef library(std::string_view name) const;  // null: not there
  std::vector<LibraryRef> libraries() const;        // by name
  // Rises with each change.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  struct Totals {
    std::size_t libraries = 0;
    std::size_t functions = 0;
    std::size_t bytes = 0;  // texts and names
  };
  Totals totals() const;

  // What is done about libraries of the same name, or about all that are there.
  enum class Policy : std::uint8_t { append, replace, flush };
  // Puts all of them up, and gives each its id; or none, and says why.
  std::string put(std::vector<std::shared_ptr<Library>> libraries, Policy policy);
  bool remove(std::string_view name);  // false: not there
  void flush();

 private:
  struct Shelf {
    std::map<std::string, LibraryRef, std::less<>> libraries;
    std::unordered_map<std::string, Found> functions;  // by folded name
    std::size_t bytes = 0;

    void add(const LibraryRef& library);
    void take_out(const Library& library);
    // Empty: it may be added.
    std::string problem_with(const Library& library) const;
  };
  std::shared_ptr<const Shelf> shelf() const;
  void show(std::shared_ptr<const Shelf> next);

  mutable storage::Mutex mutex_;
  std::shared_ptr<const Shelf> shelf_ GUARDED_BY(mutex_) = std::make_shared<const Shelf>();
  std::atomic<std::uint64_t> version_{1};
  std::atomic<std::uint64_t> last_id_{0};
};

}  // namespace larder::server::scripting
