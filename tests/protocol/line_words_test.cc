#include "protocol/line_words.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/protocol/resp_model.h"

using namespace larder::protocol;
using namespace std::string_literals;

namespace {

std::optional<model::Request> split(std::string_view line) {
  LineWords words(line);
  model::Request found;
  while (true) {
    switch (words.next()) {
      case LineWords::Step::word: found.emplace_back(words.word()); break;
      case LineWords::Step::end: return found;
      case LineWords::Step::unbalanced: return std::nullopt;
    }
  }
}

}  // namespace

TEST_CASE("a line is split at spaces and quotes hold words together") {
  CHECK(split("a b  c") == model::Request{"a", "b", "c"});
  CHECK(split("  ").value().empty());
  CHECK(split("save \"900 1\" '' x") == model::Request{"save", "900 1", "", "x"});
  CHECK(split(R"("\n\r\t\b\a\q\x41\xZZ\"")") == model::Request{"\n\r\t\b\aqAxZZ\""});
  CHECK(split(R"('\n\'')") == model::Request{"\\n'"});
  CHECK(split("foo\"bar\" baz") == model::Request{"foobar", "baz"});
  CHECK(split("a\vb") == model::Request{"a\vb"});
  CHECK(split("a\0b"s) == model::Request{"a"});
}

TEST_CASE("quotes must close where the word ends") {
  for (const char* line : {"\"a", "'a", "\"a\"b", "'a'b", "a\"", "\"a\\", "\"a\\\""}) {
    CAPTURE(line);
    CHECK(!split(line));
  }
}

TEST_CASE("a word without quotes is a view into the line") {
  const std::string line = "plain \"quoted\"";
  LineWords words(line);
  REQUIRE(words.next() == LineWords::Step::word);
  CHECK(!words.quoted());
  CHECK(words.word().data() == line.data());
  REQUIRE(words.next() == LineWords::Step::word);
  CHECK(words.quoted());
}

TEST_CASE("the splitter agrees with the model on random lines") {
  std::mt19937 chance(3);
  const std::string_view letters = "ab \t\v\f\"\"''\\\\xn4F";
  for (int round = 0; round < 50'000; ++round) {
    std::string line(chance() % 14, ' ');
    for (char& c : line) c = letters[chance() % letters.size()];
    CAPTURE(line);
    REQUIRE(split(line) == model::split_line(line));
  }
}
