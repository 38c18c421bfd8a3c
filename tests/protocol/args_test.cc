#include "protocol/args.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using namespace larder::protocol;

using List = std::vector<std::string_view>;

TEST_CASE("words are compared without case") {
  CHECK(same_word("nx", "NX"));
  CHECK(same_word("Nx", "NX"));
  CHECK(!same_word("n", "NX"));
  CHECK(!same_word("nxx", "NX"));
  CHECK(!same_word("@x", "`X"));
  CHECK(same_word("", ""));
}

TEST_CASE("a cursor takes words in order") {
  const List words{"SET", "tea", "green", "ex", "10"};
  Args args(words);
  CHECK(args.left() == 4);
  CHECK(args.peek() == "tea");
  CHECK(args.take() == "tea");
  CHECK(args.rest().size() == 3);
  CHECK(args.take() == "green");
  CHECK(!args.eat("PX"));
  CHECK(args.eat("EX"));
  CHECK(args.integer() == 10);
  CHECK(!args.more());
  CHECK(args.peek().empty());
  CHECK(args.finish());
  CHECK(args.problem().empty());
}

TEST_CASE("a word that is missing is a syntax error") {
  const List words{"GET"};
  Args args(words);
  CHECK(args.take().empty());
  CHECK(args.problem() == errors::syntax);
  Args number(words);
  CHECK(number.integer() == 0);
  CHECK(number.problem() == errors::syntax);
  Args real(words);
  CHECK(real.number() == 0.0);
  CHECK(real.problem() == errors::syntax);
  Args between(words);
  CHECK(between.integer_between(1, 2) == 0);
  CHECK(between.problem() == errors::syntax);
}

TEST_CASE("a word too many is a syntax error at the end") {
  const List words{"GET", "a", "b"};
  Args args(words, 2);
  CHECK(!args.failed());
  CHECK(!args.finish());
  CHECK(args.problem() == errors::syntax);
}

TEST_CASE("the first problem is kept") {
  const List words{"X", "a", "b"};
  Args args(words);
  CHECK(args.integer() == 0);
  CHECK(args.problem() == errors::not_an_integer);
  CHECK(args.number() == 0.0);
  args.fail(errors::no_such_key);
  CHECK(!args.more());
  CHECK(!args.finish());
  CHECK(args.problem() == errors::not_an_integer);
}

TEST_CASE("a problem may be a text that does not live on") {
  const List words{"X"};
  Args args(words);
  args.fail(errors::invalid_expire("set"));
  CHECK(args.problem() == "ERR invalid expire time in 'set' command");
}

TEST_CASE("numbers are read between bounds") {
  const List words{"X", "-1", "0", "15", "16", "1.5", "nan"};
  Args args(words);
  CHECK(args.integer_between(-1, 0) == -1);
  CHECK(args.integer_between(0, 15) == 0);
  CHECK(args.integer_between(0, 15) == 15);
  CHECK(!args.failed());
  CHECK(args.integer_between(0, 15, errors::bad_db_index) == 0);
  CHECK(args.problem() == errors::bad_db_index);
  Args floats(words, 5);
  CHECK(floats.number() == 1.5);
  CHECK(floats.number() == 0.0);
  CHECK(floats.problem() == errors::not_a_float);
}

TEST_CASE("several words are taken at once or not at all") {
  const List words{"EVAL", "s", "2", "a", "b", "c"};
  Args args(words, 3);
  const Words keys = args.take_words(2);
  REQUIRE(keys.size() == 2);
  CHECK(keys[1] == "b");
  CHECK(args.take_words(2).empty());
  CHECK(args.problem() == errors::syntax);
  CHECK(args.left() == 1);
}

TEST_CASE("a cursor may begin behind the end") {
  const List words{"PING"};
  Args args(words, 3);
  CHECK(args.left() == 0);
  CHECK(args.rest().empty());
  CHECK(args.finish());
}
