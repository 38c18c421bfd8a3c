#include "server/scripting/functions.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "protocol/rdb.h"
#include "tests/support/guests.h"
#include "tests/support/larder.h"

using namespace larder::server::scripting;
using larder::testing::Guest;
using larder::testing::Larder;
using larder::testing::ManyLanes;

namespace {

std::shared_ptr<Library> library(std::string name, std::vector<std::string> functions) {
  auto made = std::make_shared<Library>();
  made->name = std::move(name);
  made->text = "#!lua name=" + made->name + "\n";
  for (std::string& function : functions) made->functions.push_back({std::move(function), {}, 0});
  return made;
}

std::string counting(std::string_view name, std::string_view answer) {
  return "#!lua name=" + std::string(name) + "\nredis.register_function('" + std::string(name) +
         "', function() return " + std::string(answer) + " end)";
}

std::string info_line(Larder& larder, const std::string& name) {
  const std::string info = larder("INFO memory");
  const std::size_t begin = info.find(name + ":");
  return begin == std::string::npos ? "" : info.substr(begin, info.find("\r", begin) - begin);
}

}  // namespace

TEST_CASE("the first line of a library names it") {
  const Announced good = announced_library("#!lua name=abc\nx");
  CHECK(good.problem.empty());
  CHECK(good.library->name == "abc");
  CHECK(good.library->skip == 14);
  CHECK(good.library->text == "#!lua name=abc\nx");
  CHECK(announced_library("x").problem == "ERR Missing library metadata");
  CHECK(announced_library("#!lua name=a").problem == "ERR Invalid library metadata");
  CHECK(announced_library("#!lua \"\n").problem == "ERR Invalid library metadata");
  CHECK(is_function_name("aZ_9"));
  CHECK_FALSE(is_function_name(""));
  CHECK_FALSE(is_function_name("a b"));
}

TEST_CASE("libraries are put up all or none, and each has an id of its own") {
  Functions functions;
  const auto a = library("a", {"f", "g"});
  const auto b = library("b", {"h"});
  CHECK(functions.put({a, b}, Functions::Policy::append).empty());
  CHECK(a->id != b->id);
  CHECK(functions.find("F").library->name == "a");
  CHECK(functions.totals().functions == 3);

  const std::uint64_t version = functions.version();
  CHECK(functions.put({library("c", {"i"}), library("d", {"H"})}, Functions::Policy::append) ==
        "ERR Function H already exists");
  CHECK(functions.put({library("c", {"i"}), library("a", {})}, Functions::Policy::append) ==
        "ERR Library a already exists");
  CHECK(functions.version() == version);
  CHECK(functions.library("c") == nullptr);
  CHECK(functions.find("i").function == nullptr);

  // A function may move from one of those that are replaced to another.
  CHECK(functions.put({library("b", {"f"}), library("a", {"h"})}, Functions::Policy::replace)
            .empty());
  CHECK(functions.find("f").library->name == "b");
  CHECK(functions.find("g").function == nullptr);
  CHECK(functions.library("a")->id != a->id);
  CHECK(functions.version() != version);

  CHECK(functions.put({library("z", {"z"})}, Functions::Policy::flush).empty());
  CHECK(functions.libraries().size() == 1);
  CHECK_FALSE(functions.remove("Z"));
  CHECK(functions.remove("z"));
  CHECK(functions.totals().bytes == 0);
}

TEST_CASE("there is no room for libraries beyond a bound") {
  Functions functions;
  const auto large = library("large", {"f"});
  large->text.resize(kLibraryBytes - 100, 'x');
  CHECK(functions.put({large}, Functions::Policy::append).empty());
  const auto more = library("more", {"g"});
  more->text.resize(200, 'x');
  CHECK(functions.put({more}, Functions::Policy::append) ==
        "ERR no room for the library: FUNCTION DELETE makes some");
  CHECK(functions.put({more}, Functions::Policy::flush).empty());
}

TEST_CASE("a library may register so many functions and no more") {
  Larder larder;
  const std::string text = "#!lua name=many\nfor i = 1, " +
                           std::to_string(kFunctionsOfLibrary + 1) +
                           " do redis.register_function('f' .. i, function() end) end";
  CHECK(larder.say({"FUNCTION", "LOAD", text}) ==
        "(error) ERR Error registering functions: ERR no room for the library: FUNCTION DELETE "
        "makes some");
  CHECK(larder.say({"FUNCTION", "LIST"}) == "[]");
}

TEST_CASE("a library that is not loaded in time is given up") {
  Larder larder;
  std::atomic<bool> is_over{false};
  std::thread other([&] {
    // Relaxed: it orders nothing.
    while (!is_over.load(std::memory_order_relaxed)) {
      larder.clock().advance(std::chrono::seconds(1));
      std::this_thread::yield();
    }
  });
  const std::string reply = larder.say({"FUNCTION", "LOAD", "#!lua name=a\nwhile true do end"});
  is_over.store(true, std::memory_order_relaxed);
  other.join();
  CHECK(reply == "(error) ERR Error registering functions: ERR FUNCTION LOAD timeout");
}

TEST_CASE("what one lane has loaded, replaced or dropped all lanes call so") {
  ManyLanes house(2, 5);
  Guest here(house, 0);
  Guest there(house, 1);
  CHECK(here.say({"FUNCTION", "LOAD", counting("one", "1")}) == "one");
  CHECK(there.say({"FCALL", "one", "0"}) == "1");
  CHECK(there.say({"FUNCTION", "LOAD", "REPLACE", counting("one", "2")}) == "one");
  CHECK(here.say({"FCALL", "one", "0"}) == "2");
  CHECK(there.say({"FCALL", "one", "0"}) == "2");
  // What cannot be loaded changes nothing anywhere.
  CHECK(there.say({"FUNCTION", "LOAD", "REPLACE", counting("one", "3") + " nonsense"})
            .starts_with("(error) ERR Error compiling function"));
  CHECK(here.say({"FCALL", "one", "0"}) == "2");
  const std::string dump = here.say({"FUNCTION", "DUMP"});
  CHECK(here.say({"FUNCTION", "DELETE", "one"}) == "OK");
  CHECK(there.say({"FCALL", "one", "0"}) == "(error) ERR Function not found");
}

TEST_CASE("a dump restores, and a broken one restores nothing") {
  Larder larder;
  larder.say({"FUNCTION", "LOAD", counting("one", "1")});
  larder.say({"FUNCTION", "LOAD", counting("two", "2")});
  const std::string dump = larder.reply_to({"FUNCTION", "DUMP"}).text;
  larder("FUNCTION FLUSH");
  for (std::size_t size = 0; size < dump.size(); ++size) {
    CHECK(larder.say({"FUNCTION", "RESTORE", dump.substr(0, size)}) ==
          "(error) ERR DUMP payload version or checksum are wrong");
  }
  CHECK(larder.say({"FUNCTION", "RESTORE", dump}) == "OK");
  CHECK(larder("FCALL two 0") == "2");
  CHECK(larder.say({"FUNCTION", "RESTORE", dump}) == "(error) ERR Library one already exists");
  CHECK(larder.say({"FUNCTION", "RESTORE", dump, "REPLACE"}) == "OK");
  CHECK(larder.say({"FUNCTION", "RESTORE", dump, "flush"}) == "OK");

  // Rightly framed, and wrong inside.
  const auto restored = [&](const std::vector<std::string>& texts, unsigned type) {
    larder::protocol::RdbWriter writer;
    for (const std::string& text : texts) {
      writer.begin(static_cast<std::uint8_t>(type));
      writer.string(text);
    }
    return larder.say({"FUNCTION", "RESTORE", writer.finish()});
  };
  CHECK(restored({counting("three", "3")}, 0) == "(error) ERR given type is not a function");
  CHECK(restored({counting("three", "3"), "x"}, 245) == "(error) ERR Missing library metadata");
  CHECK(restored({counting("three", "3"), counting("three", "4")}, 245) ==
        "(error) ERR Library 'three' already exists");
  CHECK(restored({counting("three", "3"), "#!lua name=four\nx"}, 245)
            .starts_with("(error) ERR Error compiling function"));
  CHECK(larder("FCALL three 0") == "(error) ERR Function not found");
  larder::protocol::RdbWriter cut;
  cut.begin(245);
  cut.length(100);
  CHECK(larder.say({"FUNCTION", "RESTORE", cut.finish()}) ==
        "(error) ERR Failed loading library payload");
}

TEST_CASE("INFO counts libraries and functions") {
  Larder larder;
  CHECK(info_line(larder, "number_of_libraries") == "number_of_libraries:0");
  const std::string text = counting("one", "1");
  larder.say({"FUNCTION", "LOAD", text});
  CHECK(info_line(larder, "number_of_libraries") == "number_of_libraries:1");
  CHECK(info_line(larder, "number_of_functions") == "number_of_functions:1");
  CHECK(info_line(larder, "used_memory_functions") ==
        "used_memory_functions:" + std::to_string(text.size() + 6));
}
