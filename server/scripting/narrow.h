// Narrow scripts: those that provably touch no keys but the ones they are given, and are over soon.
//
// A script may touch any key, so it runs with every loop held off. But the scripts that frameworks
// send by the million (release my lock, count up and expire) are a few lines without a loop whose
// every command names KEYS[1]. Such a script needs only the shards of its keys, and others run on
// other shards meanwhile. Whether a script is one is read off its text, once, when it is compiled:
// a parser of a small part of Lua, and what it does not understand is not narrow.
//
//     statements   local names [= expressions]; assignments to locals and to fields of what is in
//                  them; if; do; return; calls. No loop, no function, no `...`.
//     expressions  all operators, table constructors, indexing. No method call (a:b).
//     calls        redis.call and redis.pcall (or server.) of a command named by a literal, with
//                  KEYS[number] in every place where its row has a key, or a local that is nothing
//                  but one; redis.error_reply, status_reply, sha1hex, setresp, replicate_commands;
//                  tonumber, tostring, type; of string: len, sub, lower, upper; of math: what takes
//                  numbers and gives one.
//     globals      those, KEYS and ARGV, and no others. KEYS is only indexed and counted; nothing
//                  is assigned to it.
//     commands     whose keys stand in fixed places, that do not wait, look at other keys, or hold
//                  off other loops themselves; and TIME.
//
// Why that is enough: a value is a string, number, boolean, or table of them. Functions can be had
// by indexing a string, but a call is let through only when a name of the list above stands before
// it, which no local of that name shadows. So no code runs but what is read here, once, from the
// first line to the last.
// What it costs is bounded by the text and its arguments: so many bytes of text, so many `..`, each
// of which can at most double what there is.
//
// Must hold: whoever is called narrow needs no shard but those of its KEYS. (redis.call looks again
// when it runs, and refuses what is not held.)
// Cost: one pass over at most kNarrowBytes. Thread: any.
#pragma once

#include <cstddef>
#include <string_view>

namespace larder::server {
class Registry;
}

namespace larder::server::scripting {

inline constexpr std::size_t kNarrowBytes = 4096;
// How deep expressions and blocks nest.
inline constexpr int kNarrowDepth = 40;
inline constexpr int kNarrowJoins = 12;

struct Narrow {
  bool is_narrow = false;
  bool may_grow = false;  // one of its commands may need memory
};
// `text`: without its shebang. Whether it is Lua at all is not asked here.
Narrow read_narrow(std::string_view text, const Registry& registry);

}  // namespace larder::server::scripting
