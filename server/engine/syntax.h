// The arguments of a command as a tree, read from the syntax line of its row.
//
// A row says what follows the name in the words of a manual:
//
//     key value [NX|XX] [GET] [EX seconds|PX milliseconds|KEEPTTL]
//     key [key ...]      key value [key value ...]      [GET pattern [GET pattern ...]]
//     <ip:port|<[ID client-id]|[SKIPME yes/no]> ...>    increment:double
//
// and COMMAND DOCS wants a tree of named, typed arguments, from which redis-cli makes its hints.
// Upper case is a token that is typed as it stands; lower case names an argument, whose type
// follows from its name unless `:type` says otherwise. [ ] is optional, < > groups, | separates
// alternatives (of the whole bracket, or outside of brackets of the two words it stands between),
// "..." says that what stands before it may come again. A token in front of arguments within one
// alternative introduces them: [LIMIT offset count].
//
// Must hold: rows are our own, so a line that does not read is our mistake (ensure); a test reads
// every row. Cost: some microseconds and a dozen allocations a row, paid by COMMAND DOCS only.
// Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace larder::server {

enum class ArgumentType : std::uint8_t {
  string,
  integer,
  decimal,  // "double" on the wire
  key,
  pattern,
  unix_time,
  pure_token,
  oneof,
  block,
};
std::string_view name_of(ArgumentType type);

struct Argument {
  std::string name;  // lower case
  ArgumentType type = ArgumentType::string;
  std::string token = {};
  bool is_optional = false;
  bool is_multiple = false;
  bool repeats_token = false;
  std::vector<Argument> children = {};  // of oneof and block
};

std::vector<Argument> parse_syntax(std::string_view syntax);
// The line as people read it: without types.
std::string plain_syntax(std::string_view syntax);

}  // namespace larder::server
