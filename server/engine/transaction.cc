#include "server/engine/transaction.h"

#include <algorithm>

namespace larder::server {

void Transaction::close() {
  forget_watches();
  queued_.clear();
  queued_bytes_ = 0;
  is_open_ = false;
  is_spoilt_ = false;
}

void Transaction::queue(const Command& row, protocol::Words words) {
  if (is_spoilt_) return;  // it will not run
  Queued& queued = queued_.emplace_back(Queued{&row, {}});
  queued.words.reserve(words.size());
  for (const std::string_view word : words) {
    queued.words.emplace_back(word);
    queued_bytes_ += sizeof(std::string) + word.size();
  }
}

void Transaction::spoil() {
  is_spoilt_ = true;
  queued_.clear();
  queued_.shrink_to_fit();
  queued_bytes_ = 0;
}

void Transaction::watch(std::uint32_t db, std::string_view key, std::int64_t now_ms) {
  const bool is_known = std::any_of(watched_.begin(), watched_.end(), [&](const Watched& known) {
    return known.db == db && known.key == key;
  });
  if (is_known) return;
  watched_.push_back({db, std::string(key)});
  store_.watch(db, store_.key(watched_.back().key), now_ms, flag_);
}

void Transaction::forget_watches() {
  for (const Watched& watched : watched_) {
    store_.unwatch(watched.db, store_.key(watched.key), flag_);
  }
  watched_.clear();
  flag_.lower();
}

}  // namespace larder::server
