// A raw client for tests: sends bytes, reads whole RESP values as bytes, knows nothing of commands.
//
// It does not interpret replies on purpose: transcripts and tables compare what came over the wire
// byte by byte, so a client that "understands" would hide differences. The only knowledge is where
// one RESP2/RESP3 value ends.
//
// Must hold: a value handed out is complete; bytes after it wait in the client.
// Thread: one thread at a time; blocking with a deadline, so a server that never answers fails a
// test, not hangs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larder::test {

// One command as a RESP array of bulk strings.
std::string encode_command(const std::vector<std::string>& words);

// The length of the first complete RESP value in `bytes`; 0 when more bytes are needed.
// A value of an unknown type is taken to be one line long, so that a wrong reply can be shown.
std::size_t value_length(std::string_view bytes);

// A value (or several in a row) as its RESP lines without CRLF: `$3` and its payload are two lines,
// whatever the payload holds. Incomplete bytes at the end become a last line as they are.
std::vector<std::string> reply_lines(std::string_view bytes);

class WireClient {
 public:
  // Connects to 127.0.0.1; throws std::runtime_error when nobody listens.
  explicit WireClient(std::uint16_t port);
  ~WireClient();
  WireClient(WireClient&& other) noexcept;
  WireClient& operator=(WireClient&& other) noexcept;
  WireClient(const WireClient&) = delete;
  WireClient& operator=(const WireClient&) = delete;

  // False when the server closed while we wrote, or, after never_block(), did not take it all soon.
  bool send(std::string_view bytes);

  // From now on send() gives up when the server does not read for a while: for clients who flood.
  void never_block();

  // The next complete value, or nothing when the deadline passes or the server closes first.
  std::optional<std::string> read_value(std::chrono::milliseconds patience = kPatience);

  // True when the server closes within the deadline without another byte.
  bool read_close(std::chrono::milliseconds patience = kPatience);

  // Bytes received but not asked for yet.
  const std::string& pending() const { return received_; }
  bool closed() const { return closed_; }

  // send + read_value; an empty string when no answer came.
  std::string ask(const std::vector<std::string>& words);

  // Long enough for a loaded two-core machine under sanitizers; only a failing test waits for it.
  static constexpr std::chrono::milliseconds kPatience{10000};

 private:
  bool receive(std::chrono::milliseconds patience);

  int socket_ = -1;
  bool closed_ = false;
  std::string received_;
};

}  // namespace larder::test
