#include "protocol/line_words.h"

namespace larder::protocol {
namespace {

// C's isspace in the C locale. Between words all six count, within one only four.
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_quote(char c) {
  return c == '"' || c == '\'';
}
bool ends_word(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

}  // namespace

LineWords::Step LineWords::next() {
  while (!at_end() && is_space(line_[at_])) ++at_;
  if (at_end()) return Step::end;
  const std::size_t begin = at_;
  while (!at_end() && !ends_word(line_[at_]) && !is_quote(line_[at_])) ++at_;
  plain_ = line_.substr(begin, at_ - begin);
  quoted_ = !at_end() && is_quote(line_[at_]);
  if (!quoted_) return Step::word;
  text_ = plain_;
  const bool is_double = line_[at_++] == '"';
  const bool is_closed = is_double ? take_double_quoted() : take_single_quoted();
  return is_closed ? Step::word : Step::unbalanced;
}

// Both begin behind the opening quote and end behind the closing one; false if there is none where
// one must be.
bool LineWords::take_double_quoted() {
  for (; !at_end(); ++at_) {
    if (line_[at_] == '"') return close_word();
    if (line_[at_] == '\\' && look(1) != '\0') {
      take_escape();
    } else {
      text_.push_back(line_[at_]);
    }
  }
  return false;
}

bool LineWords::take_single_quoted() {
  for (; !at_end(); ++at_) {
    if (line_[at_] == '\'') return close_word();
    if (line_[at_] == '\\' && look(1) == '\'') ++at_;
    text_.push_back(line_[at_]);
  }
  return false;
}

// Ends on the escape's last character.
void LineWords::take_escape() {
  const int high = hex_digit(look(2));
  const int low = hex_digit(look(3));
  if (look(1) == 'x' && high >= 0 && low >= 0) {
    text_.push_back(static_cast<char>(high * 16 + low));
    at_ += 3;
    return;
  }
  text_.push_back(unescaped(look(1)));
  at_ += 1;
}

bool LineWords::close_word() {
  ++at_;
  return at_end() || is_space(line_[at_]);
}

}  // namespace larder::protocol
