// DEBUG: for tests and for the curious. Exclusive, since SLEEP stops the whole server, as it does
// in Redis.
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <thread>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/engine/families.h"
#include "server/options.h"
#include "storage/eviction.h"
#include "storage/store.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

// Longer is a mistake: nobody can wake the server but by killing it.
constexpr double kLongestSleepSeconds = 3600;

// DEBUG SLEEP seconds
void sleep(Call& call) {
  const double seconds = protocol::parse_double(call.word(2)).value_or(0);
  if (seconds > kLongestSleepSeconds) return call.reply.error(errors::out_of_range);
  if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  call.reply.ok();
}

// What a string takes in a snapshot: a length of one, two or five bytes and the bytes, or a short
// form of an integer.
std::size_t serialized_bytes(const storage::Bytes& bytes) {
  storage::Bytes::Digits digits;
  const std::string_view text = bytes.text(digits);
  if (const auto integer = protocol::parse_integer(text)) {
    if (*integer >= INT8_MIN && *integer <= INT8_MAX) return 2;
    if (*integer >= INT16_MIN && *integer <= INT16_MAX) return 3;
    if (*integer >= INT32_MIN && *integer <= INT32_MAX) return 5;
  }
  const std::size_t length_bytes = text.size() < (1u << 6) ? 1 : text.size() < (1u << 14) ? 2 : 5;
  return length_bytes + text.size();
}

// DEBUG OBJECT key. Looks without touching. The address is the value's own, of no use but to tell
// two values apart.
void object(Call& call) {
  const auto& rules = call.services.store.eviction_rules();
  call.keys.update(call.key(2), [&](storage::Slot& slot) {
    const storage::Value* value = slot.value();
    if (value == nullptr) return call.reply.error(errors::no_such_key);
    const std::uint32_t bits = value->eviction_bits();
    const std::int64_t idle_s =
        storage::is_lfu(rules.policy) ? 0 : call.services.store.idle_seconds(bits, call.now_ms);
    call.reply.simple(fmt::format(
        "Value at:{} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        static_cast<const void*>(value), value->encoding_name(),
        value->is_string() ? serialized_bytes(value->bytes()) : value->weight_bytes(), bits,
        idle_s));
  });
}

void help(Call& call) {
  constexpr std::string_view kLines[] = {
      "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "OBJECT <key>",
      "    How the value of a key is kept.",
      "SLEEP <seconds>",
      "    Stop the server for so long; decimals are allowed.",
      "HELP",
      "    Prints this help.",
  };
  call.reply.array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.simple(line);
}

bool is_local(const Client& client) {
  const std::string_view address = client.address;
  return client.is_unix || client.link == nullptr || address.starts_with("127.") ||
         address.starts_with("[::1]:") || address.starts_with("::1:");
}

bool is_allowed(const Call& call) {
  const std::string& who = call.services.options.settings.enable_debug_command;
  return who == "yes" || (who == "local" && is_local(call.client));
}

// The subcommands are no rows: Redis tells of none either, and answers a wrong one in its own
// words.
void debug(Call& call) {
  if (!is_allowed(call)) {
    return call.reply.error(errors::command_disabled("DEBUG", "enable-debug-command"));
  }
  const std::string_view what = call.word(1);
  const std::size_t words = call.words.size();
  if (protocol::same_word(what, "HELP") && words == 2) return help(call);
  if (protocol::same_word(what, "SLEEP") && words == 3) return sleep(call);
  if (protocol::same_word(what, "OBJECT") && words >= 3) return object(call);
  call.reply.error(errors::unknown_subcommand_or_arity("DEBUG", what));
}

constexpr Command table[] = {
    {.name = "DEBUG",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = admin | no_script | loading | stale | exclusive,
     .run = debug,
     .summary = "For tests: how a value is kept, a server that sleeps",
     .since = "1.0.0",
     .complexity = "Depends on subcommand."},
};

}  // namespace

const Family debug_commands{"server", table};

}  // namespace larder::server
