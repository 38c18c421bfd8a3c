// The keys of one request, and what is done with each; and its channels. Everything that asks for
// them asks here: COMMAND GETKEYS, EXEC, client-side caching, and what a user may touch
// (security/acl.h), so that none of them knows of a key which another does not.
//
// Thread: any.
#pragma once

#include <cstddef>
#include <vector>

#include "server/engine/command.h"

namespace larder::server {

// What the row does with its nth key, as COMMAND INFO says it.
Access access_of(const Command& row, std::size_t n);

// The rare ones: keys that are counted, or behind a word.
std::vector<std::size_t> odd_positions(const Command& row, Words words);

// visit(position, access) for each key as the row says, in order, until it says false. None where
// the keys cannot be told; such a request is an error.
template <class Visit>
void each_key(const Command& row, Words words, Visit&& visit) {
  const Keys& places = row.keys;
  std::size_t n = 0;
  const auto use = [&](std::size_t position) {
    return visit(position, row.access_by != nullptr ? row.access_by(words) : access_of(row, n++));
  };
  if (places.numkeys > 0 || !places.behind.empty()) {
    for (const std::size_t position : odd_positions(row, words)) {
      if (!use(position)) return;
    }
  } else if (places.first != 0) {
    const auto size = static_cast<std::ptrdiff_t>(words.size());
    const std::ptrdiff_t last = places.last < 0 ? size + places.last : places.last;
    for (std::ptrdiff_t i = places.first; i <= last && i < size; i += places.step) {
      if (!use(static_cast<std::size_t>(i))) return;
    }
  }
  if (row.targets == nullptr) return;
  for (const std::size_t position : row.targets(words)) {
    if (!visit(position, Access::ow | Access::update)) return;
  }
}

// visit(position, is_pattern) for each channel that is spoken on or listened to.
template <class Visit>
void each_channel(const Command& row, Words words, Visit&& visit) {
  if (row.topics.of == Topics::Of::none) return;
  const std::size_t end = row.topics.only_first ? 2 : words.size();
  for (std::size_t i = 1; i < end && i < words.size(); ++i) {
    if (!visit(i, row.topics.of == Topics::Of::patterns)) return;
  }
}

}  // namespace larder::server
