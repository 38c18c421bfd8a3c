// Replies and Lua values, both ways.
//
// Recorder is the Reply that a command speaks to when a script has called it. It writes down what
// was said, flat, in the order it was said, and only push_value() makes Lua values of it, when the
// command is over: building Lua values may raise Lua's out-of-memory error, and that must not fly
// through a visit that holds a shard's lock. A record is one 16-byte item a word; short texts lie
// behind each other in one string, large values stay pinned where they are. Both buffers are kept
// from call to call, so a small reply allocates nothing but its Lua string.
//
// What becomes of what (Lua value from redis.call; RESP3 after redis.setresp(3)):
//
//     word        RESP2                  RESP3
//     simple      {ok = text}            the same
//     error       {err = text}           the same
//     null        false                  nil
//     integer     number                 the same
//     bulk        string                 the same
//     array, push table                  the same
//     map         flat table             {map = {key = value}}
//     set         table                  {set = {member = true}}
//     number      string                 {double = number}
//     boolean     1 or 0                 true or false
//     big_number  string                 {big_number = text}
//     verbatim    string                 {verbatim_string = {string = text, format = "txt"}}
//
// The other way, say_value() first measures the whole value: a Lua table can hold itself, so depth,
// number and bytes of a reply are bounded before its first word is said.
//
// Thread: loop.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <lua.hpp>

#include "protocol/reply.h"

namespace larder::server::scripting {

// How deep a script's reply may nest, and how much it may say at most.
inline constexpr int kReplyDepth = 1000;
inline constexpr std::size_t kReplyWords = 16u << 20;
inline constexpr std::size_t kReplyBytes = 512u << 20;

class Recorder final : public protocol::Reply {
 public:
  // Forgets what was said; gives memory back when it was unusually much.
  void clear();
  bool is_error() const { return !items_.empty() && items_.front().kind == Kind::error; }
  // Pushes what was said as one Lua value. Raises Lua errors.
  void push_value(lua_State* lua, int resp) const;

  void simple(std::string_view text) override { add_text(Kind::simple, text); }
  void error(std::string_view text) override { add_text(Kind::error, text); }
  void null() override { add(Kind::null, 0); }
  void null_array() override { add(Kind::null, 0); }
  void integer(std::int64_t value) override {
    add(Kind::integer, static_cast<std::uint64_t>(value));
  }
  void bulk(std::string_view bytes) override { add_text(Kind::bulk, bytes); }
  void pinned(protocol::Pin pin) override;
  void number(double value) override { add(Kind::number, std::bit_cast<std::uint64_t>(value)); }
  void boolean(bool value) override { add(Kind::boolean, value ? 1 : 0); }
  void big_number(std::string_view digits) override { add_text(Kind::big_number, digits); }
  void verbatim(std::string_view format, std::string_view text) override;
  void array(std::size_t count) override { add(Kind::array, count); }
  void map(std::size_t pairs) override { add(Kind::map, pairs); }
  void set(std::size_t count) override { add(Kind::set, count); }
  void push(std::size_t count) override { add(Kind::array, count); }

 private:
  // What is kept for the next call, in items and in bytes of text.
  static constexpr std::size_t kKeptItems = 4096;
  static constexpr std::size_t kKeptBytes = 64u << 10;

  enum class Kind : std::uint8_t {
    simple,
    error,
    null,
    integer,
    bulk,
    pinned,
    number,
    boolean,
    big_number,
    verbatim,
    array,
    map,
    set,
  };
  struct Item {
    Kind kind;
    std::array<char, 3> format;  // verbatim
    // An integer, the bits of a double, bytes of a text, index of a pin, or children of an
    // aggregate.
    std::uint64_t payload;
  };
  struct Builder;

  void add_text(Kind kind, std::string_view text);
  void add(Kind kind, std::uint64_t payload) { items_.push_back({kind, {}, payload}); }

  std::vector<Item> items_;
  std::string texts_;
  std::vector<protocol::Pin> pins_;
};

// Pushes {err = text}, marked as an error that a command has already been counted for.
void push_error(lua_State* lua, std::string_view text);

// Pushes the names of the fields by which a table stands for more than an array; say_value()
// compares with them.
void push_field_names(lua_State* lua);

// Says the Lua value at `index` as a script's reply. `names`: where push_field_names() has put the
// first name. Allocates nothing in Lua but stack.
void say_value(lua_State* lua, int index, int names, int resp, protocol::Reply& reply);

}  // namespace larder::server::scripting
