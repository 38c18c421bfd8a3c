// Sources: how many connections each address has open.
//
// An IPv6 network of 64 bits counts as one address: whoever has one address of it has them all.
// Thread: any (guarded). What enter() gave may outlive the Sources.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "server/net/asio.h"
#include "storage/mutex.h"

namespace larder::server::net {

class Sources {
 public:
  // Counts one more connection of the address until the last copy of the answer goes. Null: it has
  // `most` already.
  std::shared_ptr<const void> enter(const asio::ip::address& address, std::size_t most);

 private:
  struct Book {
    storage::Mutex mutex;
    std::map<std::string, std::size_t> open GUARDED_BY(mutex);
  };
  std::shared_ptr<Book> book_ = std::make_shared<Book>();
};

}  // namespace larder::server::net
