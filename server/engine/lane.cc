#include "server/engine/lane.h"

#include "server/scripting/lua.h"

namespace larder::server {
namespace {

// Code words a server can answer are few; a script can make up any number of them.
constexpr std::size_t kMostErrorCodes = 128;

}  // namespace

Lane::Lane(std::size_t its_index, storage::Turnstile::Seat& its_seat, std::size_t command_rows,
           std::uint64_t seed)
    : index(its_index), seat(its_seat), commands(command_rows), chance(seed) {}

Lane::~Lane() = default;

void Lane::count_error(std::string_view code) {
  counters.error_replies.add();
  const auto it = errors_by_code.find(std::string(code));
  if (it != errors_by_code.end()) {
    ++it->second;
  } else if (errors_by_code.size() < kMostErrorCodes) {
    errors_by_code.emplace(code, 1);
  }
}

Lane& Lanes::add(storage::Turnstile& turnstile, std::size_t commands, std::uint64_t seed) {
  const std::size_t index = lanes_.size();
  lanes_.push_back(std::make_unique<Lane>(index, turnstile.take_seat(), commands, seed + index));
  return *lanes_.back();
}

}  // namespace larder::server
