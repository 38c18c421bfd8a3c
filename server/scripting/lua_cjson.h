// What scripts may set of cjson, and its two directions.
#pragma once

#include <lua.hpp>

namespace larder::server::scripting {

enum class InvalidNumbers { off, on, null };

struct JsonSettings {
  bool sparse_as_object = false;  // encode_sparse_array
  int sparse_ratio = 2;
  int sparse_safe = 10;
  int encode_depth = 1000;
  int decode_depth = 1000;
  int precision = 14;       // significant digits of a number
  bool keep_buffer = true;  // of no effect: the buffer is on the memory account
  InvalidNumbers encode_invalid = InvalidNumbers::off;
  InvalidNumbers decode_invalid = InvalidNumbers::on;
};

// Those of the cjson all scripts share (cjson.new() makes others).
JsonSettings& shared_json_settings(lua_State* lua);

// Pushes the value on top as JSON text; raises what cannot be said in JSON.
void encode_json(lua_State* lua, const JsonSettings& settings);
// Pushes the value of the JSON text at index 1.
void decode_json(lua_State* lua, const JsonSettings& settings);

}  // namespace larder::server::scripting
