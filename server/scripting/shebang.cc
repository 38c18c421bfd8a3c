#include "server/scripting/shebang.h"

namespace larder::server::scripting {
namespace {

// The next word of the line, up to a space; the line loses it. Empty at the end.
std::string_view take_word(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  const std::size_t end = std::min(line.find(' ', begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

// False: no such flag.
bool set_flag(std::string_view flag, Declared& declared) {
  if (flag == "no-writes") {
    declared.no_writes = true;
  } else if (flag == "allow-oom") {
    declared.allow_oom = true;
  } else {
    // These speak of replicas and clusters, of which there are none.
    return flag == "allow-stale" || flag == "no-cluster" || flag == "allow-cross-slot-keys";
  }
  return true;
}

void read_flags(std::string_view flags, Declared& declared) {
  while (!flags.empty()) {
    const std::size_t end = std::min(flags.find(','), flags.size());
    const std::string_view flag = flags.substr(0, end);
    if (!set_flag(flag, declared)) {
      declared.problem = "ERR Unexpected flag in script shebang: " + std::string(flag);
      return;
    }
    flags.remove_prefix(std::min(end + 1, flags.size()));
  }
}

}  // namespace

Declared read_shebang(std::string_view script) {
  Declared declared;
  if (!script.starts_with("#!")) return declared;
  declared.has_line = true;
  const std::size_t end = script.find('\n');
  if (end == std::string_view::npos) {
    declared.problem = "ERR Invalid script shebang";
    return declared;
  }
  declared.skip = end;
  std::string_view line = script.substr(0, end);
  const std::string_view engine = take_word(line);
  if (engine != "#!lua") {
    declared.problem = "ERR Unexpected engine in script shebang: " + std::string(engine);
    return declared;
  }
  constexpr std::string_view kFlags = "flags=";
  for (std::string_view word; !(word = take_word(line)).empty() && declared.problem.empty();) {
    if (word.starts_with(kFlags)) {
      read_flags(word.substr(kFlags.size()), declared);
    } else {
      declared.problem = "ERR Unknown lua shebang option: " + std::string(word);
    }
  }
  return declared;
}

}  // namespace larder::server::scripting
