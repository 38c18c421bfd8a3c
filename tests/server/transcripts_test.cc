// The transcripts that turn the clock (tests/wire/clock/*.txt), against a server in this process:
// they were recorded from redis-server in real time, and here the time is turned.
#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

#include "tests/support/larder.h"
#include "tests/support/transcript.h"

using larder::testing::Larder;
namespace test = larder::test;

TEST_CASE("what time does, as redis-server does it") {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator("tests/wire/clock")) {
    if (file.path().extension() != ".txt") continue;
    ++files;
    const test::Transcript transcript = test::parse_transcript(file.path().string());
    Larder larder;
    test::Variables variables;
    for (const test::Step& written : transcript.steps) {
      const test::Step step = test::substituted(written, variables);
      if (step.act == test::Step::Act::advance) {
        larder.advance(step.advance);
        continue;
      }
      if (step.act == test::Step::Act::until_blocked) continue;
      if (step.act == test::Step::Act::listen && !step.expects_anything()) continue;
      REQUIRE(step.act != test::Step::Act::raw);
      const auto client = static_cast<int>(step.connection);
      const bool speaks = step.act == test::Step::Act::command;
      const std::string answer = speaks ? larder.bytes_of(step.words, client)
                                        : larder.heard(client);
      if (speaks && !step.expects_anything()) continue;  // it is held back, and heard later
      std::string captured;
      const bool is_right = test::judge(step.expected(test::Flavor::larder), answer, &captured) ==
                            test::Verdict::matches;
      INFO(transcript.path << ":" << step.line << " answered " << test::escape(answer));
      CHECK(is_right);
      if (!step.capture.empty()) variables[step.capture] = captured;
    }
  }
  CHECK(files > 0);
}
