#include "server/commands/client_tracking.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/errors.h"
#include "server/engine/client_registry.h"
#include "server/engine/command.h"
#include "server/engine/tracking.h"
#include "server/options.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using protocol::same_word;

struct Asked {
  TrackingModes modes;
  std::vector<std::string_view> prefixes;
};

void read_redirect(Asked& asked, Args& args, const Call& call) {
  if (asked.modes.redirect != 0) return args.fail(errors::tracking_two_redirects);
  const std::int64_t id = args.integer();
  if (args.failed()) return;
  asked.modes.redirect = static_cast<std::uint64_t>(id);
  if (!call.services.clients.has(asked.modes.redirect)) {
    args.fail(errors::tracking_no_such_target);
  }
}

Asked read_options(Args& args, const Call& call) {
  Asked asked;
  while (args.more()) {
    if (args.left() > 1 && args.eat("REDIRECT")) {
      read_redirect(asked, args, call);
    } else if (args.left() > 1 && args.eat("PREFIX")) {
      asked.prefixes.push_back(args.take());
    } else if (args.eat("BCAST")) {
      asked.modes.bcast = true;
    } else if (args.eat("OPTIN")) {
      asked.modes.optin = true;
    } else if (args.eat("OPTOUT")) {
      asked.modes.optout = true;
    } else if (args.eat("NOLOOP")) {
      asked.modes.noloop = true;
    } else {
      args.fail(errors::syntax);
    }
  }
  return asked;
}

bool overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

// Prefixes of one client must not overlap, or it would be told twice.
std::optional<std::string> find_overlap(const Asked& asked, const Tracker* tracker) {
  for (auto prefix = asked.prefixes.begin(); prefix != asked.prefixes.end(); ++prefix) {
    if (tracker != nullptr) {
      for (const std::string& other : tracker->prefixes()) {
        if (overlap(*prefix, other)) return errors::tracking_overlap_with_existing(*prefix, other);
      }
    }
    const auto other = std::find_if(prefix + 1, asked.prefixes.end(),
                                    [&](std::string_view each) { return overlap(*prefix, each); });
    if (other != asked.prefixes.end()) {
      return errors::tracking_overlap_with_provided(*prefix, *other);
    }
  }
  return std::nullopt;
}

// What of the options does not go together, or not with what the client does already.
std::optional<std::string> find_conflict(const Asked& asked, const Tracker* tracker) {
  const TrackingModes& modes = asked.modes;
  if (!modes.bcast && !asked.prefixes.empty()) return std::string(errors::tracking_prefix_no_bcast);
  if (tracker != nullptr && tracker->modes().bcast != modes.bcast) {
    return std::string(errors::tracking_switches_bcast);
  }
  if (modes.bcast && (modes.optin || modes.optout)) {
    return std::string(errors::tracking_bcast_and_opt);
  }
  if (modes.optin && modes.optout) return std::string(errors::tracking_optin_and_optout);
  if (tracker != nullptr &&
      ((modes.optin && tracker->modes().optout) || (modes.optout && tracker->modes().optin))) {
    return std::string(errors::tracking_switches_opt);
  }
  return modes.bcast ? find_overlap(asked, tracker) : std::nullopt;
}

void enable(Call& call, Asked& asked) {
  const std::optional<std::string> conflict = find_conflict(asked, call.client.tracker.get());
  if (conflict) return call.reply.error(*conflict);
  // All keys have the empty prefix.
  if (asked.modes.bcast && asked.prefixes.empty()) asked.prefixes.emplace_back();
  const std::uint64_t most_bytes = call.services.options.settings.client_query_buffer_limit;
  switch (call.services.tracking.enable(call.client, asked.modes, asked.prefixes, most_bytes)) {
    case Tracking::Enabled::yes: return call.reply.ok();
    case Tracking::Enabled::no_such_target:
      return call.reply.error(errors::tracking_no_such_target);
    case Tracking::Enabled::too_many_prefixes:
      return call.reply.error(errors::too_many_subscriptions);
  }
}

}  // namespace

// CLIENT TRACKING ON|OFF [REDIRECT client-id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT]
// [NOLOOP]: the options are read first, whatever they are for.
void client_tracking(Call& call) {
  Args args = call.args_from(3);
  Asked asked = read_options(args, call);
  if (!args.finish()) return call.reply.error(args.problem());
  if (same_word(call.word(2), "ON")) return enable(call, asked);
  if (!same_word(call.word(2), "OFF")) return call.reply.error(errors::syntax);
  call.services.tracking.disable(call.client);
  call.reply.ok();
}

// CLIENT CACHING YES|NO: whether the next command's keys are remembered.
void client_caching(Call& call) {
  Tracker* const tracker = call.client.tracker.get();
  if (tracker == nullptr) return call.reply.error(errors::client_not_caching);
  const bool is_yes = same_word(call.word(2), "YES");
  if (!is_yes && !same_word(call.word(2), "NO")) return call.reply.error(errors::syntax);
  if (is_yes && !tracker->modes().optin) return call.reply.error(errors::caching_yes_no_optin);
  if (!is_yes && !tracker->modes().optout) return call.reply.error(errors::caching_no_no_optout);
  tracker->caching = true;
  call.reply.ok();
}

void client_getredir(Call& call) {
  const Tracker* const tracker = call.client.tracker.get();
  call.reply.integer(tracker == nullptr ? -1
                                        : static_cast<std::int64_t>(tracker->modes().redirect));
}

void client_trackinginfo(Call& call) {
  const Tracker* const tracker = call.client.tracker.get();
  std::vector<std::string_view> flags;
  if (tracker == nullptr) {
    flags.emplace_back("off");
  } else {
    const TrackingModes& modes = tracker->modes();
    flags.emplace_back("on");
    if (modes.bcast) flags.emplace_back("bcast");
    if (modes.optin) flags.emplace_back("optin");
    if (modes.optin && tracker->caching) flags.emplace_back("caching-yes");
    if (modes.optout) flags.emplace_back("optout");
    if (modes.optout && tracker->caching) flags.emplace_back("caching-no");
    if (modes.noloop) flags.emplace_back("noloop");
    if (tracker->is_broken()) flags.emplace_back("broken_redirect");
  }
  call.reply.map(3);
  call.reply.bulk("flags");
  call.reply.set(flags.size());
  for (const std::string_view flag : flags) call.reply.bulk(flag);
  call.reply.bulk("redirect");
  client_getredir(call);
  call.reply.bulk("prefixes");
  call.reply.array(tracker == nullptr ? 0 : tracker->prefixes().size());
  if (tracker == nullptr) return;
  for (const std::string& prefix : tracker->prefixes()) call.reply.bulk(prefix);
}

}  // namespace larder::server
