// Wire: a blocking connection to a server on loopback, for programs that load or watch one.
//
// Replies are read as whole lines or whole RESP2 values; an error reply throws with its text, for a
// benchmark whose commands fail measures nothing.
// Thread: whoever made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace larder::bench {

class Wire {
 public:
  explicit Wire(std::uint16_t port);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  int socket() const { return socket_; }
  void send(std::string_view bytes);
  // Reads that many replies of one line each.
  void expect_lines(std::size_t count);
  // Reads one reply of any shape; answers its first line, or the bytes if it is a bulk.
  std::string_view expect_reply();

 private:
  void read_more();
  std::string_view take_line();

  int socket_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string bulk_;
};

}  // namespace larder::bench
