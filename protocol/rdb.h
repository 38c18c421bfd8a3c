// The RDB spelling of one value, as DUMP says it and RESTORE hears it: lengths, strings, numbers,
// and the frame around them.
//
//   [type] value... [2 bytes: version, the lowest first] [8 bytes: CRC-64 of all before]
//
// The writer speaks version 10, that of Redis 7.0, which later ones read too (12, that of 7.4,
// where a value needs it); it writes texts of 32-bit integers as such and compresses nothing. The
// reader takes versions up to 12 (Redis 7.4), and strings compressed by LZF. The reader trusts
// nothing: every length is held against the bytes that are left before anything is allocated for
// it, and once something was wrong all it says is nothing. Which types there are, and what they
// hold, is for those who know values.
//
// Thread: any; an object is used by one at a time.
// Sources: the published description of the RDB format; CRC-64 with the polynomial of D. T. Jones;
// LZF by liblzf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larder::protocol {

// What a value begins with.
enum class RdbType : std::uint8_t {
  string = 0,
  list = 1,
  set = 2,
  zset_text = 3,  // scores as text
  hash = 4,
  zset = 5,  // scores as eight bytes
  set_intset = 11,
  stream_5 = 15,  // as Redis 5 wrote streams; 7.0 knows more of what is gone, and 7.2 of consumers
  hash_listpack = 16,
  zset_listpack = 17,
  list_nodes = 18,  // a sequence of listpacks and of large elements
  stream_70 = 19,
  set_listpack = 20,
  stream_72 = 21,
  hash_timed = 24,           // fields of which some die; since Redis 7.4
  hash_listpack_timed = 25,  // the same as a listpack of triples
};

// How a node of list_nodes is kept.
inline constexpr std::uint64_t kRdbPlainNode = 1;
inline constexpr std::uint64_t kRdbPackedNode = 2;

// What a library of functions begins with, in FUNCTION DUMP.
inline constexpr std::uint8_t kRdbFunctions = 245;

inline constexpr unsigned kRdbWrittenVersion = 10;
inline constexpr unsigned kRdbNewestVersion = 12;
// The last moment at which a field may die, in milliseconds.
inline constexpr std::uint64_t kRdbLastMs = (std::uint64_t{1} << 48) - 1;

std::uint64_t crc64(std::string_view bytes);

class RdbWriter {
 public:
  RdbWriter() = default;
  explicit RdbWriter(RdbType type) {
    begin(static_cast<std::uint8_t>(type));
    if (type >= RdbType::hash_timed) version_ = kRdbNewestVersion;
  }

  void begin(std::uint8_t type) { bytes_ += static_cast<char>(type); }
  void length(std::uint64_t length);
  void string(std::string_view text);
  void number(double number);     // eight bytes
  void moment(std::uint64_t ms);  // eight bytes
  void raw(std::string_view bytes) { bytes_ += bytes; }
  // The whole, with its frame. The writer is empty then.
  std::string finish();

 private:
  std::string bytes_;
  unsigned version_ = kRdbWrittenVersion;
};

class RdbReader {
 public:
  // `most_bytes`: no string is longer, decompressed.
  RdbReader(std::string_view payload, std::size_t most_bytes);

  // The frame holds: a version we know, and the right sum.
  bool is_framed() const { return is_framed_; }
  // Everything so far was as it should be.
  bool is_good() const { return is_good_; }
  bool is_at_end() const { return is_good_ && rest_.empty(); }

  // Each answers something harmless when it, or one before it, went wrong.
  std::uint8_t type() { return byte(); }
  std::uint64_t length();
  // How many elements follow, of which each takes a byte or more.
  std::uint64_t count();
  std::string string();
  double number();
  double number_as_text();
  std::uint64_t moment() { return low_first(8); }
  // So many bytes, or none. They lie in the payload.
  std::string_view raw(std::size_t bytes) { return take(bytes); }
  void fail() {
    is_good_ = false;
    rest_ = {};
  }

 private:
  std::uint8_t byte();
  std::string_view take(std::uint64_t bytes);
  std::uint64_t low_first(std::size_t bytes);
  std::string coded_string(unsigned coding);
  std::string decompressed();
  struct Length {
    std::uint64_t length = 0;
    bool is_coding = false;  // it says how a string is coded, not how long it is
  };
  Length read_length();

  std::string_view rest_;
  std::size_t most_bytes_;
  bool is_framed_ = false;
  bool is_good_ = true;
};

}  // namespace larder::protocol
