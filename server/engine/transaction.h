// What MULTI and WATCH keep of a client: the queued commands, the watched keys, and whether either
// has gone wrong.
//
// Thread: loop. The flag is raised by whoever changes a watched key, on any loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/request.h"
#include "storage/store.h"
#include "storage/watch.h"

namespace larder::server {

struct Command;

class Transaction {
 public:
  // A queued command keeps its own words: the input buffer moves on.
  struct Queued {
    const Command* row;
    std::vector<std::string> words;
  };

  explicit Transaction(storage::Store& store) : store_(store) {}
  ~Transaction() { forget_watches(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  bool is_open() const { return is_open_; }
  void open() { is_open_ = true; }
  // Back to nothing queued and nothing watched.
  void close();

  void queue(const Command& row, protocol::Words words);
  const std::vector<Queued>& queued() const { return queued_; }
  std::vector<Queued> take_queued() { return std::exchange(queued_, {}); }
  std::size_t queued_bytes() const { return queued_bytes_; }
  // A command was refused while queueing: EXEC must answer EXECABORT, and what is queued will not
  // run.
  void spoil();
  bool is_spoilt() const { return is_spoilt_; }

  struct Watched {
    std::uint32_t db;
    std::string key;
  };
  void watch(std::uint32_t db, std::string_view key, std::int64_t now_ms);
  void forget_watches();
  const std::vector<Watched>& watched() const { return watched_; }
  // A watched key has changed (keys whose time has come show it when they are looked up).
  bool is_raised() const { return flag_.is_raised(); }

 private:
  storage::Store& store_;
  std::vector<Queued> queued_;
  std::size_t queued_bytes_ = 0;
  std::vector<Watched> watched_;
  storage::WatchFlag flag_;
  bool is_open_ = false;
  bool is_spoilt_ = false;
};

}  // namespace larder::server
