// Clients that mean harm, before and after signing in: each must end with a server that answers the
// next one, and that has not grown by what the hostile one asked for.
//
// What is measured is the server's resident memory, from /proc; the bounds are far above what the
// server's own limits allow and far below what the client tried to make it hold.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/server_process.h"
#include "tests/support/wire.h"

namespace larder::test {

namespace {

using std::literals::operator""sv;

constexpr std::size_t kMegabyte = 1024 * 1024;
// What a server may grow by is counted in these: sanitizers shadow memory and keep what was freed.
#ifdef LARDER_SANITIZED
constexpr std::size_t kGrowthMegabyte = 8 * kMegabyte;
#else
constexpr std::size_t kGrowthMegabyte = kMegabyte;
#endif

ServerProcess start(const std::vector<std::string>& flags = {}) {
  const char* binary = std::getenv("LARDER_BINARY");
  return ServerProcess(Flavor::larder, binary ? binary : "build/debug/larder", flags);
}

std::size_t resident_bytes(const ServerProcess& server) {
  std::ifstream file("/proc/" + std::to_string(server.process_id()) + "/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

bool answers(const ServerProcess& server) {
  WireClient client(server.port());
  return client.ask({"PING"}).size() > 1;
}

// Sends until the server stops taking, closes, or `most` bytes are gone.
void flood(WireClient& client, const std::string& bytes, std::size_t most) {
  client.never_block();
  for (std::size_t sent = 0; sent < most; sent += bytes.size()) {
    if (!client.send(bytes)) return;
  }
}

std::string repeated(const std::string& what, std::size_t count) {
  std::string all;
  all.reserve(what.size() * count);
  for (std::size_t i = 0; i < count; ++i) all += what;
  return all;
}

}  // namespace

TEST_CASE("a stranger who asks and never reads is not buffered for") {
  const ServerProcess server = start({"--requirepass", "sesame"});
  CHECK(answers(server));
  const std::size_t before = resident_bytes(server);
  WireClient client(server.port());
  flood(client, repeated("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 1000), 200 * kMegabyte);
  CHECK(answers(server));
  CHECK(resident_bytes(server) < before + 32 * kGrowthMegabyte);
}

TEST_CASE("a stranger may not announce many or long words") {
  const ServerProcess server = start({"--requirepass", "sesame"});
  CHECK(answers(server));
  const std::size_t before = resident_bytes(server);
  std::vector<WireClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(server.port())
        .send(i % 2 == 0 ? "*1000000\r\n" : "*2\r\n$4\r\nAUTH\r\n$536870912\r\n");
  }
  for (WireClient& client : clients)
    CHECK(client.read_value().value_or("").starts_with("-ERR Protocol error"));
  CHECK(answers(server));
  CHECK(resident_bytes(server) < before + 32 * kGrowthMegabyte);
}

TEST_CASE("a client who asks for a large value and never reads is held up, not buffered for") {
  const ServerProcess server = start();
  WireClient writer(server.port());
  CHECK(writer.ask({"SET", "big", std::string(kMegabyte, 'x')}) == "+OK\r\n");
  const std::size_t before = resident_bytes(server);
  WireClient client(server.port());
  flood(client, repeated("GET big\r\n", 1000), 20 * kMegabyte);
  CHECK(answers(server));
  CHECK(resident_bytes(server) < before + 400 * kGrowthMegabyte);
}

TEST_CASE("announced lengths cost nothing until the bytes come") {
  const ServerProcess server = start();
  CHECK(answers(server));
  const std::size_t before = resident_bytes(server);
  std::vector<WireClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(server.port()).send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc");
    clients.emplace_back(server.port()).send("*1048576\r\n$3\r\nDEL\r\n");
    clients.emplace_back(server.port()).send("*2147483647\r\n");
  }
  CHECK(answers(server));
  CHECK(resident_bytes(server) < before + 200 * kGrowthMegabyte);
}

TEST_CASE("a request in segments of one byte is a request") {
  const ServerProcess server = start();
  WireClient client(server.port());
  const std::string request = encode_command({"SET", "key", "a\r\nb"}) + "GET key\r\n" +
                              encode_command({"PING"});
  for (const char byte : request) client.send({&byte, 1});
  CHECK(client.read_value() == "+OK\r\n");
  CHECK(client.read_value() == "$4\r\na\r\nb\r\n");
  CHECK(client.read_value() == "+PONG\r\n");
}

TEST_CASE("clients who come and go at every point of a request leave nothing behind") {
  const ServerProcess server = start();
  const std::string request = encode_command({"SET", "key", "value"});
  for (int round = 0; round < 20; ++round) {
    for (std::size_t cut = 0; cut <= request.size(); ++cut)
      WireClient(server.port()).send(request.substr(0, cut));
  }
  WireClient client(server.port());
  std::string list = client.ask({"CLIENT", "LIST"});
  for (int i = 0; i < 100 && std::count(list.begin(), list.end(), '\n') > 3; ++i)
    list = client.ask({"CLIENT", "LIST"});
  CHECK(std::count(list.begin(), list.end(), '\n') <= 3);
  CHECK(client.ask({"GET", "key"}) == "$5\r\nvalue\r\n");
}

TEST_CASE("noise is answered or refused, never fatal") {
  const ServerProcess server = start();
  std::mt19937 random(7);
  const std::string_view alphabet = "*$:+-0123456789\r\n\r\n\0 \"'aAgGeEtTsS\xff\x80"sv;
  for (int round = 0; round < 300; ++round) {
    std::string noise;
    for (unsigned i = 0; i < random() % 400; ++i) {
      noise += round % 2 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    }
    WireClient(server.port()).send(noise);
  }
  CHECK(answers(server));
}

TEST_CASE("a deep pipeline is answered whole and in order") {
  const ServerProcess server = start();
  WireClient client(server.port());
  constexpr int kDepth = 20000;
  std::string requests;
  for (int i = 0; i < kDepth; ++i) requests += encode_command({"ECHO", std::to_string(i)});
  client.send(requests);
  int right = 0;
  for (int i = 0; i < kDepth; ++i) {
    const std::string text = std::to_string(i);
    const std::string expected = "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    right += client.read_value() == expected ? 1 : 0;
  }
  CHECK(right == kDepth);
}

TEST_CASE("many idle connections do not keep the next one out") {
  const ServerProcess server = start();
  std::vector<WireClient> clients;
  for (int i = 0; i < 500; ++i) clients.emplace_back(server.port());
  CHECK(answers(server));
  CHECK(clients.back().ask({"PING"}) == "+PONG\r\n");
}

TEST_CASE("a transaction that is never run does not grow without end") {
  const ServerProcess server = start({"--client-query-buffer-limit", "32mb"});
  WireClient client(server.port());
  CHECK(client.ask({"MULTI"}) == "+OK\r\n");
  const std::size_t before = resident_bytes(server);
  const std::string request = encode_command({"SET", "k", std::string(64 * 1024, 'x')});
  client.never_block();
  for (int i = 0; i < 4096; ++i) {  // a quarter of a gigabyte
    if (!client.send(request) || !client.read_value()) break;
  }
  CHECK(client.ask({"EXEC"}).starts_with("-EXECABORT"));
  CHECK(answers(server));
  CHECK(resident_bytes(server) < before + 96 * kGrowthMegabyte);
}

}  // namespace larder::test
