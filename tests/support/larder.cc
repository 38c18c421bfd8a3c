#include "tests/support/larder.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "protocol/buffer.h"
#include "protocol/line_words.h"
#include "protocol/resp_writer.h"
#include "tests/support/reply_text.h"

namespace larder::testing {

// One client of the test, with the buffer its replies go to.
struct Larder::Seat final : server::Link {
  Seat(std::uint64_t id, std::int64_t now_ms) : client(id, this, now_ms), writer(output) {}

  void cut_off() override {}
  void resume() override { is_woken = true; }
  void push(std::string bytes) override { output.append(bytes); }

  server::Client client;
  protocol::BlockPool blocks;
  protocol::OutputBuffer output{blocks};
  protocol::RespWriter writer;
  std::vector<std::string> held;  // the command a pause holds back
  bool is_woken = false;          // what it waits for has come
};

Larder::Larder(const server::Settings& settings) : log_(server::LogLevel::nothing, "") {
  options_.settings = settings;
  engine_ = std::make_unique<server::Engine>(options_, clock_, control_, log_, 1, 20261122);
}

Larder::~Larder() {
  for (auto& [number, seat] : seats_) {
    engine_->clients().remove(seat->client);
    engine_->services().pubsub.forget(seat->client);
    engine_->services().tracking.forget(seat->client);
  }
}

server::Settings Larder::settings_for_tests() {
  server::Settings settings;
  settings.maxmemory = 0;
  settings.maxmemory_given = true;
  return settings;
}

Larder::Seat& Larder::seat(int client) {
  std::unique_ptr<Seat>& seat = seats_[client];
  if (!seat) {
    seat = std::make_unique<Seat>(engine_->clients().next_id(), now_ms());
    seat->client.address = "127.0.0.1:" + std::to_string(50000 + client);
    seat->client.local_address = "127.0.0.1:6379";
    seat->client.authenticated = engine_->services().users.lets_all_in();
    engine_->clients().add(seat->client);
  }
  return *seat;
}

server::Client& Larder::client(int client) {
  return seat(client).client;
}

void Larder::run(Seat& seat, const std::vector<std::string>& words, const server::Command* row) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  const server::LaneVisit visit(engine_->services(), engine_->lane(0));
  const server::Prepared prepared = row == nullptr ? engine_->dispatcher().prepare(views)
                                                   : server::Prepared{.row = row, .fits = true};
  server::Next next =
      engine_->dispatcher().execute(engine_->lane(0), seat.client, views, prepared, seat.writer);
  while (next == server::Next::wait && seat.client.work) {
    next = engine_->dispatcher().resume(engine_->lane(0), seat.client, seat.writer);
  }
  if (next == server::Next::wait) seat.held = words;
  finish_woken();
}

// Who was woken says its reply, for heard().
void Larder::finish_woken() {
  for (auto& [number, seat] : seats_) {
    if (!std::exchange(seat->is_woken, false)) continue;
    engine_->dispatcher().resume(engine_->lane(0), seat->client, seat->writer);
  }
}

std::string Larder::heard(int client) {
  return take_bytes(seat(client).output);
}

std::string Larder::mail_of(int client) {
  Seat& seat = this->seat(client);
  say_mail(seat.writer, seat.client, engine_->services().pubsub.fetch(seat.client));
  return heard(client);
}

std::string Larder::bytes_of(const std::vector<std::string>& words, int client) {
  run(seat(client), words);
  return heard(client);
}

protocol::Node Larder::reply_to(const std::vector<std::string>& words, int client) {
  const std::string bytes = bytes_of(words, client);
  std::string_view rest = bytes;
  protocol::Node node = take_reply(rest);
  if (!rest.empty()) throw std::runtime_error("one command, two replies: " + bytes);
  return node;
}

std::string Larder::say(const std::vector<std::string>& words, int client) {
  return to_text(reply_to(words, client));
}

std::string Larder::say_by(const server::Command& row, const std::vector<std::string>& words,
                           int client) {
  run(seat(client), words, &row);
  return heard(client);
}

std::string Larder::on(int client, std::string_view line) {
  std::vector<std::string> words;
  protocol::LineWords split(line);
  while (split.next() == protocol::LineWords::Step::word) words.emplace_back(split.word());
  return say(words, client);
}

void Larder::advance(std::chrono::milliseconds by) {
  clock_.advance(by);
  {
    const server::LaneVisit visit(engine_->services(), engine_->lane(0));
    engine_->upkeep().finish(engine_->lane(0));
    finish_woken();
  }
  for (auto& [number, seat] : seats_) {
    if (!seat->held.empty()) run(*seat, std::exchange(seat->held, {}));
  }
}

}  // namespace larder::testing
