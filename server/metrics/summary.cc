#include "server/metrics/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "server/metrics/info.h"

namespace larder::server {
namespace {

// INFO's fields by name.
class Fields {
 public:
  explicit Fields(std::string text) : text_(std::move(text)) {
    std::string_view rest = text_;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find("\r\n"));
      const std::size_t colon = line.find(':');
      if (colon != std::string_view::npos) fields_[line.substr(0, colon)] = line.substr(colon + 1);
      rest.remove_prefix(std::min(rest.size(), line.size() + 2));
    }
  }
  std::string_view operator[](std::string_view name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? "?" : found->second;
  }
  double number(std::string_view name) const {
    double value = 0;
    const std::string_view text = (*this)[name];
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  // "db0: keys=1,expires=0,avg_ttl=0" of each database there is.
  std::string keys() const {
    std::string all;
    for (const auto& [name, value] : fields_) {
      if (!name.starts_with("db") || !value.starts_with("keys=")) continue;
      all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", name, value);
    }
    return all.empty() ? "no keys" : all;
  }

 private:
  std::string text_;
  std::map<std::string_view, std::string_view> fields_;
};

}  // namespace

std::vector<std::string> state_summary(const Services& services) {
  const std::string_view everything[] = {"everything"};
  const Fields info(info_text(services, everything));
  const double hits = info.number("keyspace_hits");
  const double lookups = hits + info.number("keyspace_misses");
  return {
      fmt::format("State: Larder {}, up {} s, {} event loops", info["larder_version"],
                  info["uptime_in_seconds"], info["event_loops"]),
      fmt::format("State: clients: {} of {}, {} blocked, {} refused, {} connections ever",
                  info["connected_clients"], info["maxclients"], info["blocked_clients"],
                  info["rejected_connections"], info["total_connections_received"]),
      fmt::format("State: memory: {} of {} ({}), peak {}, resident {}", info["used_memory_human"],
                  info["maxmemory"] == "0" ? "any" : info["maxmemory_human"],
                  info["maxmemory_policy"], info["used_memory_peak_human"],
                  info["used_memory_rss_human"]),
      fmt::format("State: keys: {}; {} expired, {} evicted", info.keys(), info["expired_keys"],
                  info["evicted_keys"]),
      fmt::format("State: commands: {}, {} a second, hit ratio {:.1f} %, {} errors",
                  info["total_commands_processed"], info["instantaneous_ops_per_sec"],
                  lookups == 0 ? 0 : 100 * hits / lookups, info["total_error_replies"]),
  };
}

}  // namespace larder::server
