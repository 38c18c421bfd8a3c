// bench_fill: puts keys into a server as fast as one connection goes, so that a benchmark begins
// with the data it speaks of.
//
// Key number i is a prefix and the digits of i; with --scatter the digits of a number that a fixed
// bijection of [0, 10^16) makes of i, so that keys look like chance and are the same in every run.
// Values are letters (never a number, which servers keep in another way). A coin thrown by the
// number of the key picks "every second" one at random, the same ones in every run.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>

#include "tools/bench/wire.h"

namespace larder::bench {
namespace {

struct Work {
  std::uint16_t port = 6379;
  std::uint64_t from = 0;
  std::uint64_t to = 1'000'000;
  std::string prefix;
  std::size_t key_bytes = 16;
  bool scatter = false;
  std::size_t value_bytes = 32;
  std::string value;
  std::uint64_t large_every = 0;  // 0: none
  std::size_t large_bytes = 100'000;
  std::int64_t ttl_s = 0;
  std::int64_t expire_at_ms = 0;
  std::uint64_t expire_spread_ms = 1000;
  bool every_second = false;
  bool twice_every_second = false;
  bool deletes = false;
};

// Bytes sent before the replies of the block before are waited for.
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::uint64_t kScattered = 10'000'000'000'000'000;

std::uint64_t mix(std::uint64_t n) {
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
  n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
  return n ^ (n >> 31);
}

// Times an odd number that 5 does not divide: no two numbers below 10^16 meet.
std::uint64_t scattered(std::uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(n) * 6364136223846793 + 1442695040888963) %
                                    kScattered);
}

bool is_chosen(std::uint64_t n) {
  return (mix(n + 1) & 1) != 0;
}

class Fill {
 public:
  explicit Fill(const Work& work) : work_(work), wire_(work.port), letters_(2 * longest(), 'a') {
    for (std::size_t i = 0; i < letters_.size(); ++i) {
      letters_[i] = static_cast<char>('a' + mix(i) % 26);
    }
  }

  void run() {
    for (std::uint64_t n = work_.from; n < work_.to; ++n) {
      if (work_.every_second && !is_chosen(n)) continue;
      work_.deletes ? add_delete(n) : add_set(n);
      if (block_.size() >= kBlockBytes) send();
    }
    send();
    wire_.expect_lines(in_flight_);
  }

 private:
  std::size_t longest() const {
    const std::size_t large = work_.large_every == 0 ? 0 : work_.large_bytes;
    return std::max<std::size_t>({64, 2 * work_.value_bytes, large});
  }

  void add_key(std::uint64_t n) {
    const std::uint64_t number = work_.scatter ? scattered(n) : n;
    const std::size_t digits =
        work_.key_bytes > work_.prefix.size() ? work_.key_bytes - work_.prefix.size() : 0;
    fmt::format_to(std::back_inserter(block_), "${}\r\n{}{:0{}}\r\n",
                   std::max(work_.key_bytes, work_.prefix.size()), work_.prefix, number, digits);
  }

  void add_delete(std::uint64_t n) {
    block_ += "*2\r\n$3\r\nDEL\r\n";
    add_key(n);
    ++in_block_;
  }

  void add_set(std::uint64_t n) {
    const bool dies = work_.ttl_s != 0 || work_.expire_at_ms != 0;
    block_ += dies ? "*5\r\n$3\r\nSET\r\n" : "*3\r\n$3\r\nSET\r\n";
    add_key(n);
    add_bulk(value_of(n));
    if (work_.expire_at_ms != 0) {
      add_bulk("PXAT");
      const auto later_ms = static_cast<std::int64_t>(n % work_.expire_spread_ms);
      add_bulk(fmt::format_int(work_.expire_at_ms + later_ms).c_str());
    } else if (dies) {
      add_bulk("EX");
      add_bulk(fmt::format_int(work_.ttl_s).c_str());
    }
    ++in_block_;
  }

  std::string_view value_of(std::uint64_t n) const {
    if (!work_.value.empty()) return work_.value;
    const bool doubles = work_.twice_every_second && is_chosen(n);
    const bool is_large = work_.large_every != 0 && mix(~n) % work_.large_every == 0;
    const std::size_t size_bytes = is_large ? work_.large_bytes
                                            : work_.value_bytes * (doubles ? 2 : 1);
    return std::string_view(letters_).substr(mix(n) % (letters_.size() - size_bytes + 1),
                                             size_bytes);
  }

  void add_bulk(std::string_view bytes) {
    fmt::format_to(std::back_inserter(block_), "${}\r\n", bytes.size());
    block_ += bytes;
    block_ += "\r\n";
  }

  // One block is under way while the next is written.
  void send() {
    wire_.send(block_);
    wire_.expect_lines(in_flight_);
    in_flight_ = in_block_;
    in_block_ = 0;
    block_.clear();
  }

  const Work& work_;
  Wire wire_;
  std::string letters_;
  std::string block_;
  std::size_t in_block_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  CLI::App app("Puts keys into a server on loopback.");
  larder::bench::Work work;
  app.add_option("--port", work.port)->required();
  app.add_option("--from", work.from, "first key number")->capture_default_str();
  app.add_option("--to", work.to, "the number after the last")->capture_default_str();
  app.add_option("--prefix", work.prefix, "what every key begins with");
  app.add_option("--key-bytes", work.key_bytes, "prefix and digits")->capture_default_str();
  app.add_flag("--scatter", work.scatter, "16 digits that look like chance instead of counting");
  app.add_option("--value-bytes", work.value_bytes)->capture_default_str();
  app.add_option("--value", work.value, "this value for all");
  app.add_option("--large-every", work.large_every, "one of so many, at random, is large");
  app.add_option("--large-bytes", work.large_bytes, "its value")->capture_default_str();
  app.add_option("--ttl", work.ttl_s, "EX seconds");
  app.add_option("--expire-at-ms", work.expire_at_ms,
                 "PXAT: the first of the moments at which keys die");
  app.add_option("--expire-spread-ms", work.expire_spread_ms, "and how many such moments there are")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--every-second", work.every_second, "only keys that a coin picks");
  app.add_flag("--twice-every-second", work.twice_every_second, "they get twice the value");
  app.add_flag("--delete", work.deletes, "DEL instead of SET");
  app.add_flag_callback(
      "--delete-every-second", [&] { work.deletes = work.every_second = true; }, "both of these");
  CLI11_PARSE(app, argc, argv);
  try {
    larder::bench::Fill(work).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_fill: {}\n", error.what());
    return 1;
  }
  return 0;
}
