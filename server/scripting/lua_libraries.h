// The libraries Redis gives to scripts: bit, struct, cjson, cmsgpack.
//
// They are ours. Debian has lua-cjson, lua-bitop and libmsgpack, and none of them may run what
// strangers send: lua-cjson 2.1.0 builds texts outside of any memory account with int sizes
// (CVE-2022-24834), ends the process when memory is short and loses its buffer when Lua raises an
// error; lua-bitop 1.0.2 reads beyond its buffer in tohex (CVE-2024-31449); libmsgpack's unpacker
// reserves what a header announces, 64 GB for five bytes; lua-struct (CVE-2020-14147) is not
// packaged. What they have in common is size arithmetic in int, so here sizes are size_t, recursion
// has a named bound, and every byte is on the interpreter's memory account.
//
// None needs more than a Lua state: the fuzzer runs them alone.
// Thread: loop.
#pragma once

#include <cstddef>
#include <string_view>

#include <lua.hpp>

namespace larder::server::scripting {

// How deep JSON and MessagePack may nest, whatever a script sets.
inline constexpr int kJsonDepth = 1000;
inline constexpr int kMsgpackDepth = 1000;
// What cmsgpack.pack says of deeper tables is nil, as Redis's does.
inline constexpr int kMsgpackPackDepth = 16;

// Each pushes its table.
void open_bit(lua_State* lua);
void open_struct(lua_State* lua);
void open_cmsgpack(lua_State* lua);
void open_cjson(lua_State* lua);

// Text being built, in memory that Lua's allocator gives and counts. A failure is raised as a Lua
// error, which unwinds (liblua5.1-c++), so the destructor gives the memory back.
class TextBuffer {
 public:
  explicit TextBuffer(lua_State* lua) : lua_(lua), allocate_(lua_getallocf(lua, &memory_)) {}
  ~TextBuffer() { allocate_(memory_, bytes_, capacity_, 0); }
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;

  void add(char c) {
    if (size_ == capacity_) grow(1);
    bytes_[size_++] = c;
  }
  void add(std::string_view text);
  // Room for so many bytes; the caller writes them and says how many it wrote.
  char* reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return bytes_ + size_;
  }
  void commit(std::size_t bytes) { size_ += bytes; }
  void clear() { size_ = 0; }
  // Pushes what was built as a Lua string.
  void push() const { lua_pushlstring(lua_, size_ == 0 ? "" : bytes_, size_); }

 private:
  void grow(std::size_t bytes);

  lua_State* lua_;
  void* memory_ = nullptr;
  lua_Alloc allocate_;
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace larder::server::scripting
