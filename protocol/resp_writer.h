// RespWriter: a Reply spelled as RESP2 or RESP3 into an OutputBuffer.
//
// Every scalar is one reserve(), bytes written in place, one commit(): no temporary strings, no
// second pass. A bulk that comes as a Pin is linked, not copied, unless it is so short that a copy
// is cheaper than a piece of its own.
//
// Must hold: what is written is one whole RESP value after the other, whatever bytes the texts
// contain.
// Cost: a 32-byte bulk is 60 instructions, the copying of its bytes included.
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/buffer.h"
#include "protocol/reply.h"

namespace larder::protocol {

class RespWriter final : public Reply {
 public:
  // A pin shorter than this is copied and released at once: a piece costs about as much as copying
  // that many bytes.
  static constexpr std::size_t kCopiedPinBytes = 1024;

  // A verbatim text names its format in so many letters.
  static constexpr std::size_t kFormatBytes = 3;

  explicit RespWriter(OutputBuffer& out) : out_(out) {}

  // 2 or 3, as HELLO chose.
  void version(int resp) override { version_ = resp; }
  int version() const { return version_; }

  // While muted nothing is written (CLIENT REPLY OFF and SKIP); errors are still counted. Pushed
  // messages are not replies: who writes one unmutes around it.
  void mute(bool muted) override { muted_ = muted; }
  bool muted() const override { return muted_; }

  // Error replies so far, and the code word of the last one ("ERR", "WRONGTYPE"); for statistics.
  std::uint64_t errors() const { return errors_; }
  std::string_view last_error_code() const { return last_error_code_; }

  void simple(std::string_view text) override;
  void ok() override;
  void error(std::string_view text) override;
  void null() override;
  void null_array() override;
  void integer(std::int64_t value) override;
  void bulk(std::string_view bytes) override;
  void pinned(Pin pin) override;
  void number(double value) override;
  void boolean(bool value) override;
  void big_number(std::string_view digits) override;
  void verbatim(std::string_view format, std::string_view text) override;
  void array(std::size_t count) override;
  void map(std::size_t pairs) override;
  void set(std::size_t count) override;
  void push(std::size_t count) override;

 private:
  void head(char sigil, std::size_t count);
  void line(char sigil, std::string_view text);
  void fixed(std::string_view bytes);

  OutputBuffer& out_;
  int version_ = 2;
  bool muted_ = false;
  std::uint64_t errors_ = 0;
  std::string last_error_code_;
};

}  // namespace larder::protocol
