#include "server/scripting/lua_libraries.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace larder::server::scripting {

void TextBuffer::add(std::string_view text) {
  if (text.empty()) return;
  std::memcpy(reserve(text.size()), text.data(), text.size());
  size_ += text.size();
}

void TextBuffer::grow(std::size_t bytes) {
  constexpr std::size_t kFirst = 256;
  if (bytes > SIZE_MAX / 4 - size_) luaL_error(lua_, "not enough memory");
  const std::size_t wanted = std::max({size_ + bytes, capacity_ * 2, kFirst});
  void* moved = allocate_(memory_, bytes_, capacity_, wanted);
  if (moved == nullptr) {
    lua_gc(lua_, LUA_GCCOLLECT, 0);
    moved = allocate_(memory_, bytes_, capacity_, wanted);
  }
  if (moved == nullptr) luaL_error(lua_, "not enough memory");
  bytes_ = static_cast<char*>(moved);
  capacity_ = wanted;
}

}  // namespace larder::server::scripting
