// LATENCY: how long commands take.
//
// There is no log of slow events by kind (latency-monitor-threshold is 0, as it is by default in
// Redis): nothing to list, to draw or to reset, and every history is empty. What there is instead:
// for each command a histogram of all its calls (HISTOGRAM; percentiles are INFO's latencystats),
// which DOCTOR reads, and SLOWLOG for the single slow call.
// Thread: histograms are their lanes' own: rows that read them are exclusive.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/engine/registry.h"
#include "server/engine/ticks.h"
#include "server/metrics/latency.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

// LATENCY LATEST, LATENCY HISTORY event
void nothing(Call& call) {
  call.reply.array(0);
}

// LATENCY RESET [event ...]: how many histories were forgotten.
void reset(Call& call) {
  call.reply.integer(0);
}

// LATENCY GRAPH event: no event has samples.
void graph(Call& call) {
  call.reply.error(errors::latency_no_samples(call.word(2)));
}

// The calls of one row by all lanes.
LatencyHistogram histogram_of(const Services& services, std::size_t number) {
  LatencyHistogram all;
  for (std::size_t i = 0; i < services.lanes.size(); ++i) {
    const auto& of_lane = services.lanes[i].commands[number].latency;
    if (of_lane != nullptr) all.merge(*of_lane);
  }
  return all;
}

// Bounds in microseconds, each twice the one before, as Redis's histogram rounds them: 1, 2, 4, 8,
// 16, 33, 66…
std::uint64_t bound_us(unsigned step) {
  const std::uint64_t ns = std::uint64_t{1024} << step;
  return (ns + ns / 128 - 1) / 1000;
}

// Bounds, and how many calls took no longer: those at which the number rises.
std::vector<std::pair<std::uint64_t, std::uint64_t>> spread_of(const LatencyHistogram& histogram) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> spread;
  std::uint64_t seen = 0;
  unsigned step = 0;
  histogram.each([&](std::uint64_t ticks, std::uint64_t count) {
    const std::uint64_t us = microseconds_of(ticks);
    while (bound_us(step) < us) ++step;
    seen += count;
    if (spread.empty() || spread.back().first != bound_us(step)) {
      spread.emplace_back(bound_us(step), seen);
    }
    spread.back().second = seen;
  });
  return spread;
}

struct Timed {
  std::size_t number;  // of the row
  LatencyHistogram histogram;
};

bool is_asked_for(const Call& call, std::size_t number) {
  if (call.words.size() == 2) return true;
  std::string name = call.services.registry.full_name(call.services.registry.row(number));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const std::string_view container = std::string_view(name).substr(0, name.find('|'));
  return std::any_of(call.words.begin() + 2, call.words.end(), [&](std::string_view word) {
    return protocol::same_word(word, name) || protocol::same_word(word, container);
  });
}

// LATENCY HISTOGRAM [command ...]: of a command with subcommands, each of them. What was never
// called is not told.
void histogram(Call& call) {
  std::vector<Timed> timed;
  for (std::size_t number = 0; number < call.services.registry.size(); ++number) {
    if (!is_asked_for(call, number)) continue;
    Timed row{number, histogram_of(call.services, number)};
    if (row.histogram.total() != 0) timed.push_back(std::move(row));
  }
  call.reply.map(timed.size());
  for (const Timed& row : timed) {
    const auto spread = spread_of(row.histogram);
    call.reply.bulk(call.services.registry.full_name(call.services.registry.row(row.number)));
    call.reply.map(2);
    call.reply.bulk("calls");
    call.reply.integer(static_cast<std::int64_t>(row.histogram.total()));
    call.reply.bulk("histogram_usec");
    call.reply.map(spread.size());
    for (const auto& [bound, count] : spread) {
      call.reply.integer(static_cast<std::int64_t>(bound));
      call.reply.integer(static_cast<std::int64_t>(count));
    }
  }
}

// LATENCY DOCTOR: the commands that have taken longest, by their slowest calls.
void doctor(Call& call) {
  constexpr std::size_t kMostTold = 5;
  constexpr std::uint64_t kSlowUs = 1000;
  struct Slow {
    std::uint64_t longest_us;
    std::string line;
  };
  std::vector<Slow> slow;
  for (std::size_t number = 0; number < call.services.registry.size(); ++number) {
    const LatencyHistogram all = histogram_of(call.services, number);
    if (all.total() == 0) continue;
    const std::uint64_t longest_us = microseconds_of(all.at(1));
    if (longest_us < kSlowUs) continue;
    slow.push_back(
        {longest_us,
         fmt::format(" * {}: {} calls, half of them within {} us, 99 % within {} us, all within {} "
                     "us\n",
                     call.services.registry.full_name(call.services.registry.row(number)),
                     all.total(), microseconds_of(all.at(0.5)), microseconds_of(all.at(0.99)),
                     longest_us)});
  }
  std::sort(slow.begin(), slow.end(),
            [](const Slow& a, const Slow& b) { return a.longest_us > b.longest_us; });
  std::string text = "No command has taken a millisecond.";
  if (!slow.empty()) text = "Commands that have taken a millisecond or more, slowest first:\n";
  for (std::size_t i = 0; i < std::min(slow.size(), kMostTold); ++i) text += slow[i].line;
  if (!slow.empty()) text += "SLOWLOG GET tells the single calls.";
  call.reply.verbatim("txt", text);
}

constexpr Flag kOperators = admin | no_script | loading | stale;
constexpr std::string_view kTips =
    "nondeterministic_output request_policy:all_nodes response_policy:special";

constexpr Command subcommands[] = {
    {.name = "DOCTOR",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = doctor,
     .summary = "Which commands are slow",
     .since = "2.8.13",
     .complexity = "O(1)",
     .tips = kTips},
    {.name = "GRAPH",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOperators,
     .run = graph,
     .summary = "A drawing of the slow events of one kind (an error: none are recorded)",
     .since = "2.8.13",
     .syntax = "event",
     .complexity = "O(1)",
     .tips = kTips},
    help_row("2.8.13"),
    {.name = "HISTOGRAM",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = histogram,
     .summary = "How many calls of a command took how long",
     .since = "7.0.0",
     .syntax = "[command [command ...]]",
     .complexity = "O(N) where N is the number of commands",
     .tips = kTips},
    {.name = "HISTORY",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOperators,
     .run = nothing,
     .summary = "The slow events of one kind",
     .since = "2.8.13",
     .syntax = "event",
     .complexity = "O(1)",
     .tips = kTips},
    {.name = "LATEST",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOperators,
     .run = nothing,
     .summary = "The latest slow event of each kind",
     .since = "2.8.13",
     .complexity = "O(1)",
     .tips = kTips},
    {.name = "RESET",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = kOperators,
     .run = reset,
     .summary = "Forget the slow events of some kinds, or all",
     .since = "2.8.13",
     .syntax = "[event [event ...]]",
     .complexity = "O(1)",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
};

constexpr Command table[] = {
    {.name = "LATENCY",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "How long commands take",
     .since = "2.8.13",
     .subcommands = subcommands,
     .complexity = "Depends on subcommand."},
};

}  // namespace

const Family latency_commands{"server", table};

}  // namespace larder::server
