#include "protocol/args.h"

#include "protocol/numbers.h"

namespace larder::protocol {

bool same_word(std::string_view word, std::string_view upper) {
  if (word.size() != upper.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    const char raised = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (raised != upper[i]) return false;
  }
  return true;
}

std::string_view Args::take() {
  if (next_ < words_.size()) return words_[next_++];
  fail(errors::syntax);
  return {};
}

bool Args::eat(std::string_view upper) {
  if (next_ >= words_.size() || !same_word(words_[next_], upper)) return false;
  ++next_;
  return true;
}

std::int64_t Args::integer(std::string_view problem) {
  if (next_ >= words_.size()) return take(), 0;
  const auto value = parse_integer(take());
  if (!value) fail(problem);
  return value.value_or(0);
}

std::int64_t Args::integer_between(std::int64_t lowest, std::int64_t highest,
                                   std::string_view problem) {
  if (next_ >= words_.size()) return take(), 0;
  const auto value = parse_integer(take());
  if (value && *value >= lowest && *value <= highest) return *value;
  fail(problem);
  return 0;
}

double Args::number(std::string_view problem) {
  if (next_ >= words_.size()) return take(), 0;
  const auto value = parse_double(take());
  if (!value) fail(problem);
  return value.value_or(0);
}

void Args::fail(std::string_view problem) {
  if (problem_.empty()) problem_ = problem;
}

bool Args::finish() {
  if (left() > 0) fail(errors::syntax);
  return !failed();
}

Words Args::take_words(std::size_t count) {
  if (count > left()) {
    fail(errors::syntax);
    return {};
  }
  const Words taken = words_.subspan(next_, count);
  next_ += count;
  return taken;
}

}  // namespace larder::protocol
