// A whole server in the test's own process: real store, real gates, real commands; no sockets, and
// a clock that only the test turns.
//
//     Larder larder;
//     CHECK(larder("SET tea green EX 10") == "OK");
//     larder.advance(10s);
//     CHECK(larder("GET tea") == nil);
//
// A command line is split as redis-cli splits it. Replies are told as protocol::to_text tells them:
// OK, green, 7, (nil), (error) ERR ..., [a, b], {a: 1}.
// Thread: whoever made it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply_tree.h"
#include "server/engine/engine.h"
#include "server/engine/server_control.h"
#include "server/log.h"
#include "server/options.h"
#include "storage/clock.h"

namespace larder::testing {

inline const std::string nil = "(nil)";

class Larder {
 public:
  explicit Larder(const server::Settings& settings = settings_for_tests());
  ~Larder();
  Larder(const Larder&) = delete;
  Larder& operator=(const Larder&) = delete;

  static server::Settings settings_for_tests();

  // As the first client, or another one, each with its own database, transaction and so on.
  std::string operator()(std::string_view line) { return on(1, line); }
  std::string on(int client, std::string_view line);
  // For words that no line can hold.
  std::string say(const std::vector<std::string>& words, int client = 1);
  // The reply as it is, and as bytes on the wire.
  protocol::Node reply_to(const std::vector<std::string>& words, int client = 1);
  std::string bytes_of(const std::vector<std::string>& words, int client = 1);

  // A row of the test's own, which no registry knows: for what commands are built on.
  std::string say_by(const server::Command& row, const std::vector<std::string>& words,
                     int client = 1);

  // What a client heard since it was last asked: answers to commands that a pause had held back,
  // or that waited.
  std::string heard(int client);

  // What waits in its inbox, as its loop would say it: messages of channels, invalidations.
  std::string mail_of(int client);

  // Turns the clock, lets upkeep do what is due, and tries again what a pause held back.
  void advance(std::chrono::milliseconds by);
  std::int64_t now_ms() const { return clock_.wall_ms(); }
  // For a second thread to turn while a command runs: no upkeep is done.
  storage::ManualClock& clock() { return clock_; }

  server::Engine& engine() { return *engine_; }
  server::Options& options() { return options_; }
  server::Client& client(int client);
  // What SHUTDOWN asked for; empty while nobody did.
  const std::string& shut_down_reason() const { return control_.reason; }

 private:
  struct Control final : server::ServerControl {
    void shut_down(const std::string& why) override { reason = why.empty() ? "asked" : why; }
    std::string reason;
  };
  struct Seat;

  Seat& seat(int client);
  void run(Seat& seat, const std::vector<std::string>& words, const server::Command* row = nullptr);
  void finish_woken();

  storage::ManualClock clock_;
  server::Options options_;
  server::Log log_;
  Control control_;
  std::unique_ptr<server::Engine> engine_;
  std::map<int, std::unique_ptr<Seat>> seats_;
};

}  // namespace larder::testing
