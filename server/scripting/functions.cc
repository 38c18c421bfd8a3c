#include "server/scripting/functions.h"

#include <algorithm>
#include <utility>

#include "protocol/args.h"
#include "protocol/errors.h"
#include "protocol/line_words.h"

namespace larder::server::scripting {
namespace {

namespace errors = protocol::errors;
using protocol::LineWords;

std::string folded(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::size_t bytes_of(const Library& library) {
  std::size_t bytes = library.text.size() + library.name.size();
  for (const Function& function : library.functions) {
    bytes += function.name.size();
    if (function.description) bytes += function.description->size();
  }
  return bytes;
}

// What is said behind the engine: name=...
std::string read_metadata(LineWords& words, Library& library) {
  constexpr std::string_view kName = "name=";
  bool has_name = false;
  LineWords::Step step;
  while ((step = words.next()) == LineWords::Step::word) {
    const std::string_view word = words.word();
    if (word.size() < kName.size() || !protocol::same_word(word.substr(0, kName.size()), "NAME=")) {
      return "ERR Invalid metadata value given: " + std::string(word);
    }
    if (has_name) return std::string(errors::function_name_repeated);
    has_name = true;
    library.name = word.substr(kName.size());
  }
  if (step == LineWords::Step::unbalanced) return std::string(errors::function_metadata_invalid);
  return has_name ? "" : std::string(errors::function_name_missing);
}

std::string read_first_line(std::string_view line, Library& library) {
  LineWords words(line);
  // The whole line is split before any of it is looked at.
  LineWords whole(line);
  LineWords::Step step;
  while ((step = whole.next()) == LineWords::Step::word) {
  }
  if (step == LineWords::Step::unbalanced) return std::string(errors::function_metadata_invalid);
  words.next();
  const std::string engine(words.word().substr(2));
  std::string problem = read_metadata(words, library);
  if (!problem.empty()) return problem;
  if (!is_function_name(library.name)) return std::string(errors::function_bad_name);
  if (!protocol::same_word(engine, "LUA")) return "ERR Engine '" + engine + "' not found";
  return {};
}

}  // namespace

bool is_function_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), is_name_byte);
}

Announced announced_library(std::string_view text) {
  Announced announced{std::make_shared<Library>(), {}};
  Library& library = *announced.library;
  const std::size_t end = text.find('\n');
  if (!text.starts_with("#!")) {
    announced.problem = errors::function_metadata_missing;
  } else if (end == std::string_view::npos) {
    announced.problem = errors::function_metadata_invalid;
  } else {
    library.skip = end;
    announced.problem = read_first_line(text.substr(0, end), library);
  }
  if (!announced.problem.empty()) return announced;
  library.text = text;
  return announced;
}

// --- a shelf

void Functions::Shelf::add(const LibraryRef& library) {
  libraries.emplace(library->name, library);
  for (const Function& function : library->functions) {
    functions.emplace(folded(function.name), Found{library, &function});
  }
  bytes += bytes_of(*library);
}

void Functions::Shelf::take_out(const Library& library) {
  for (const Function& function : library.functions) functions.erase(folded(function.name));
  bytes -= bytes_of(library);
  libraries.erase(libraries.find(library.name));
}

std::string Functions::Shelf::problem_with(const Library& library) const {
  if (libraries.contains(library.name)) return "ERR Library " + library.name + " already exists";
  for (const Function& function : library.functions) {
    if (functions.contains(folded(function.name))) {
      return "ERR Function " + function.name + " already exists";
    }
  }
  const bool has_room = libraries.size() < kLibraries && bytes + bytes_of(library) <= kLibraryBytes;
  return has_room ? "" : std::string(errors::function_no_room);
}

// --- what lanes share

std::shared_ptr<const Functions::Shelf> Functions::shelf() const {
  const storage::MutexLock lock(mutex_);
  return shelf_;
}

void Functions::show(std::shared_ptr<const Shelf> next) {
  const storage::MutexLock lock(mutex_);
  shelf_ = std::move(next);
  // Release: a lane that sees the new version finds the new shelf.
  version_.fetch_add(1, std::memory_order_release);
}

Functions::Found Functions::find(std::string_view name) const {
  const auto now = shelf();
  const auto found = now->functions.find(folded(name));
  return found == now->functions.end() ? Found{} : found->second;
}

LibraryRef Functions::library(std::string_view name) const {
  const auto now = shelf();
  const auto found = now->libraries.find(name);
  return found == now->libraries.end() ? nullptr : found->second;
}

std::vector<LibraryRef> Functions::libraries() const {
  std::vector<LibraryRef> all;
  for (const auto& [name, library] : shelf()->libraries) all.push_back(library);
  return all;
}

Functions::Totals Functions::totals() const {
  const auto now = shelf();
  Totals totals{now->libraries.size(), 0, now->bytes};
  for (const auto& [name, library] : now->libraries) totals.functions += library->functions.size();
  return totals;
}

std::string Functions::put(std::vector<std::shared_ptr<Library>> libraries, Policy policy) {
  auto next = policy == Policy::flush ? std::make_shared<Shelf>()
                                      : std::make_shared<Shelf>(*shelf());
  // All that are replaced go first: a function may move from one of them to another.
  if (policy == Policy::replace) {
    for (const auto& library : libraries) {
      const auto old = next->libraries.find(library->name);
      if (old == next->libraries.end()) continue;
      const LibraryRef gone = old->second;
      next->take_out(*gone);
    }
  }
  for (auto& library : libraries) {
    std::string problem = next->problem_with(*library);
    if (!problem.empty()) return problem;
    // Relaxed: it only has to differ from the others.
    library->id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
    next->add(library);
  }
  show(std::move(next));
  return {};
}

bool Functions::remove(std::string_view name) {
  const LibraryRef old = library(name);
  if (old == nullptr) return false;
  auto next = std::make_shared<Shelf>(*shelf());
  next->take_out(*old);
  show(std::move(next));
  return true;
}

void Functions::flush() {
  show(std::make_shared<const Shelf>());
}

}  // namespace larder::server::scripting
