#include "server/net/sources.h"

namespace larder::server::net {
namespace {

std::string source_of(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  if (address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  constexpr std::size_t kNetworkBytes = 8;
  const auto bytes = address.to_v6().to_bytes();
  return {bytes.begin(), bytes.begin() + kNetworkBytes};
}

}  // namespace

std::shared_ptr<const void> Sources::enter(const asio::ip::address& address, std::size_t most) {
  const std::string source = source_of(address);
  const storage::MutexLock lock(book_->mutex);
  std::size_t& open = book_->open[source];
  if (open >= most) return nullptr;
  ++open;
  return {&open, [book = book_, source](const void*) {
            const storage::MutexLock again(book->mutex);
            const auto at = book->open.find(source);
            if (--at->second == 0) book->open.erase(at);
          }};
}

}  // namespace larder::server::net
