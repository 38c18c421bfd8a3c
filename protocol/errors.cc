#include "protocol/errors.h"

#include <fmt/format.h>

#include <algorithm>

namespace larder::protocol::errors {
namespace {

// What Redis prints of a client's word: it is a C string to printf, and cut.
std::string_view echoed(std::string_view word, std::size_t limit = kEchoedBytes) {
  return word.substr(0, std::min(limit, word.find('\0')));
}

// Where Redis does not cut it.
std::string_view in_full(std::string_view word) {
  return echoed(word, word.size());
}

std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

}  // namespace

std::string wrong_arity(std::string_view command) {
  return fmt::format("ERR wrong number of arguments for '{}' command", command);
}

std::string unknown_command(Words words) {
  std::string arguments;
  for (std::size_t i = 1; i < words.size() && arguments.size() < kEchoedBytes; ++i) {
    const std::size_t left = kEchoedBytes - arguments.size();
    arguments += fmt::format("'{}' ", echoed(words[i], left));
  }
  return fmt::format("ERR unknown command '{}', with args beginning with: {}",
                     words.empty() ? std::string_view{} : echoed(words[0]), arguments);
}

std::string unknown_subcommand(std::string_view container, std::string_view subcommand) {
  return fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", echoed(subcommand),
                     upper_case(container));
}

std::string unknown_pfdebug(std::string_view subcommand) {
  return fmt::format("ERR Unknown PFDEBUG subcommand '{}'", echoed(subcommand));
}

std::string unknown_subcommand_or_arity(std::string_view container, std::string_view subcommand) {
  return fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
                     echoed(subcommand), upper_case(container));
}

std::string out_of_range_between(std::int64_t lowest, std::int64_t highest) {
  return fmt::format("ERR value is out of range, value must between {} and {}", lowest, highest);
}

std::string expected_bulk(char got) {
  return fmt::format("ERR Protocol error: expected '$', got '{}'", got);
}

std::string hello_syntax(std::string_view option) {
  return fmt::format("ERR Syntax error in HELLO option '{}'", echoed(option));
}

std::string no_permission(std::string_view command) {
  return fmt::format("NOPERM this user has no permissions to run the '{}' command", command);
}

std::string acl_rule_failed(std::string_view rule, std::string_view why) {
  return fmt::format("ERR Error in ACL SETUSER modifier '{}': {}", in_full(rule), why);
}

std::string acl_unmatched(std::string_view rule) {
  return fmt::format("ERR Unmatched parenthesis in acl selector starting at '{}'.", in_full(rule));
}

std::string acl_unknown_category(std::string_view category) {
  return fmt::format("ERR Unknown category '{}'", in_full(category));
}

std::string acl_unknown_user(std::string_view user) {
  return fmt::format("ERR User '{}' not found", in_full(user));
}

std::string acl_unknown_command(std::string_view command) {
  return fmt::format("ERR Command '{}' not found", in_full(command));
}

std::string sign_in_backs_off(std::int64_t wait_s) {
  return fmt::format("WRONGPASS too many failures from this address, try again in {} s", wait_s);
}

std::string only_subscribe_context(std::string_view command) {
  return fmt::format(
      "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
      "allowed in this context",
      command);
}

std::string command_disabled(std::string_view command, std::string_view option) {
  return fmt::format(
      "ERR {} command not allowed. If the {} option is set to \"local\", you can run it from a "
      "local connection, otherwise you need to set this option in the configuration file, and "
      "then restart the server.",
      command, option);
}

std::string client_unknown_type(std::string_view type) {
  return fmt::format("ERR Unknown client type '{}'", echoed(type));
}

std::string client_no_such_user(std::string_view user) {
  return fmt::format("ERR No such user '{}'", echoed(user));
}

std::string client_info_syntax(std::string_view option) {
  return fmt::format("ERR Unrecognized option '{}'", echoed(option));
}

std::string client_info_value(std::string_view option) {
  return fmt::format("ERR {} cannot contain spaces, newlines or special characters.",
                     echoed(option));
}

std::string latency_no_samples(std::string_view event) {
  return fmt::format("ERR No samples available for event '{}'", echoed(event));
}

std::string tracking_overlap_with_existing(std::string_view prefix, std::string_view other) {
  return fmt::format(
      "ERR Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must "
      "not "
      "overlap.",
      prefix, other);
}

std::string tracking_overlap_with_provided(std::string_view prefix, std::string_view other) {
  return fmt::format(
      "ERR Prefix '{}' overlaps with another provided prefix '{}'. Prefixes for a single client "
      "must not overlap.",
      prefix, other);
}

std::string invalid_expire(std::string_view command) {
  return fmt::format("ERR invalid expire time in '{}' command", command);
}

std::string no_input_keys(std::string_view command) {
  return fmt::format("ERR at least 1 input key is needed for '{}' command", command);
}

std::string geo_invalid_place(double longitude, double latitude) {
  return fmt::format("ERR invalid longitude,latitude pair {:f},{:f}", longitude, latitude);
}

std::string geo_store_and_with(std::string_view what) {
  return fmt::format("ERR {} is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     what);
}

std::string geo_one_centre(std::string_view command) {
  return fmt::format("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}",
                     echoed(command));
}

std::string geo_one_shape(std::string_view command) {
  return fmt::format("ERR exactly one of BYRADIUS and BYBOX can be specified for {}",
                     echoed(command));
}

std::string unsupported_option(std::string_view option) {
  return fmt::format("ERR Unsupported option {}", echoed(option));
}

std::string only_listens(std::string_view command) {
  return fmt::format(
      "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
      "allowed in this context",
      command);
}

std::string config_unknown(std::string_view option) {
  return fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                     echoed(option));
}

std::string config_failed(std::string_view option, std::string_view why) {
  return fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}",
                     echoed(option), why);
}

std::string no_group(std::string_view key, std::string_view group) {
  return fmt::format("NOGROUP No such key '{}' or consumer group '{}'", in_full(key),
                     in_full(group));
}

std::string no_group_to_read(std::string_view key, std::string_view group) {
  return no_group(key, group) + " in XREADGROUP with GROUP option";
}

std::string no_such_group(std::string_view group, std::string_view key) {
  return fmt::format("NOGROUP No such consumer group '{}' for key name '{}'", in_full(group),
                     in_full(key));
}

std::string bad_claim_number(std::string_view what, std::string_view command) {
  return fmt::format("ERR Invalid {} argument for {}", what, command);
}

std::string unknown_claim_option(std::string_view option) {
  return fmt::format("ERR Unrecognized XCLAIM option '{}'", in_full(option));
}

}  // namespace larder::protocol::errors
