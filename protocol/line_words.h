// LineWords: the words of one line, with quotes, as Redis splits inline requests and lines of its
// configuration.
//
//     plain          ends at a space, tab, CR or LF
//     "a \"b\" \x41" escapes \n \r \t \b \a \xHH; any other escaped character is itself
//     'it\'s'        the only escape is \'
//
// A quote may open inside a word (foo"bar" is foobar) but must close at the word's end. A NUL ends
// the line.
//
// Must hold: the line outlives the splitter.
// Thread: any.
#pragma once

#include <string>
#include <string_view>

namespace larder::protocol {

class LineWords {
 public:
  enum class Step { word, end, unbalanced };

  explicit LineWords(std::string_view line) : line_(line.substr(0, line.find('\0'))) {}

  Step next();

  // After Step::word. A view into the line; or, if the word was written with quotes, into this
  // object until the next call of next().
  std::string_view word() const { return quoted_ ? std::string_view(text_) : plain_; }
  bool quoted() const { return quoted_; }

 private:
  bool take_double_quoted();
  bool take_single_quoted();
  void take_escape();
  bool close_word();
  bool at_end() const { return at_ >= line_.size(); }
  // The character so far ahead; NUL past the end, as there is none in the line.
  char look(std::size_t distance) const {
    return at_ + distance < line_.size() ? line_[at_ + distance] : '\0';
  }

  std::string_view line_;
  std::size_t at_ = 0;
  bool quoted_ = false;
  std::string_view plain_;
  std::string text_;
};

}  // namespace larder::protocol
