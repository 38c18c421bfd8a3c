// Reply: the words a command may say. It does not know how they are spelled on the wire.
//
// A command says exactly one reply: a scalar, or an aggregate head (array, map, set, push) followed
// by exactly as many replies as the head announced (a map is followed by twice its pairs).
// Listeners are RespWriter (bytes for a client) and ReplyTree (a script, a test). RESP2 has fewer
// words than RESP3; the table of what becomes of each is in README.md.
//
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace larder::protocol {

// Bytes that somebody else keeps alive until `release(owner)` is called, which happens exactly
// once, when the last byte has been sent or the connection is gone. For large values, which are
// written from where they lie.
class Pin {
 public:
  using Release = void (*)(void* owner);

  Pin(std::string_view bytes, void* owner, Release release)
      : bytes_(bytes), owner_(owner), release_(release) {}
  Pin(Pin&& other) noexcept
      : bytes_(other.bytes_),
        owner_(other.owner_),
        release_(std::exchange(other.release_, nullptr)) {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(owner_, other.owner_);
    std::swap(release_, other.release_);
    return *this;
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() {
    if (release_ != nullptr) release_(owner_);
  }

  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
  void* owner_;
  Release release_;
};

class Reply {
 public:
  Reply() = default;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  virtual ~Reply() = default;

  // A short status, such as OK or PONG. CR and LF in it become spaces.
  virtual void simple(std::string_view text) = 0;
  virtual void ok() { simple("OK"); }
  // The text without '-', beginning with its code word ("ERR ...", see errors.h). CR and LF in it
  // become spaces.
  virtual void error(std::string_view text) = 0;

  virtual void null() = 0;        // there is no such thing
  virtual void null_array() = 0;  // there is no such list (RESP2 tells the two apart)
  virtual void integer(std::int64_t value) = 0;
  virtual void bulk(std::string_view bytes) = 0;
  virtual void pinned(Pin pin) = 0;  // as bulk(), without copying
  virtual void number(double value) = 0;
  virtual void boolean(bool value) = 0;
  virtual void big_number(std::string_view digits) = 0;
  // Text for people; `format` has three letters, such as "txt" or "mkd".
  virtual void verbatim(std::string_view format, std::string_view text) = 0;

  // From here on in this version of RESP (HELLO). Of no meaning to listeners that do not spell.
  virtual void version(int /*resp*/) {}
  // From here on nothing is said, or again something (CLIENT REPLY). Of no meaning to listeners
  // that are no connection.
  virtual void mute(bool /*muted*/) {}
  virtual bool muted() const { return false; }

  // Heads: so many replies follow (twice as many for a map).
  virtual void array(std::size_t count) = 0;
  virtual void map(std::size_t pairs) = 0;
  virtual void set(std::size_t count) = 0;
  virtual void push(std::size_t count) = 0;
};

}  // namespace larder::protocol
