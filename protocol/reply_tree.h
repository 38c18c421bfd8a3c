// ReplyTree: a Reply that remembers what was said, as a tree. For scripts, whose redis.call wants
// the answer as a value, and for tests.
//
// Must hold: who says an aggregate head says all its children; complete() tells whether that has
// happened.
// Cost: one Node a reply; texts are copied and pins released at once.
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply.h"

namespace larder::protocol {

struct Node {
  enum class Kind {
    simple,
    error,
    null,
    null_array,
    integer,
    bulk,
    number,
    boolean,
    big_number,
    verbatim,
    array,
    map,
    set,
    push,
  };

  Kind kind = Kind::null;
  std::string text;            // simple, error (without '-'), bulk, big_number, verbatim
  std::string format;          // verbatim
  std::int64_t integer = 0;    // integer; boolean as 0 or 1
  double number = 0;           // number
  std::vector<Node> children;  // array, set, push; map: key, value, key, value

  bool is_error() const { return kind == Kind::error; }
  bool is_aggregate() const { return kind >= Kind::array; }
};

// One line for people and tests: OK, green, 7, (nil), (error) ERR ..., [a, b], {a: 1}, ~[a], >[a],
// #t, 3.5.
std::string to_text(const Node& node);

// Says the same again to somebody else.
void replay(const Node& node, Reply& reply);

class ReplyTree final : public Reply {
 public:
  // What is reserved at once for the children of an announced aggregate; longer ones grow as they
  // come.
  static constexpr std::size_t kReservedChildren = 256;

  // At least one reply was said, and all children of what was said.
  bool complete() const { return !replies_.empty() && open_.empty(); }
  // The first reply (nearly always the only one). Needs complete().
  const Node& root() const { return replies_.front(); }
  // All replies at the top: SUBSCRIBE a b says two.
  const std::vector<Node>& replies() const { return replies_; }
  // Moves the first reply out and forgets everything. Needs complete().
  Node take();
  void clear();

  void simple(std::string_view text) override;
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
  struct Open {
    Node* node;
    std::size_t missing;
  };

  Node& add(Node::Kind kind);
  Node& leaf(Node::Kind kind);
  void open(Node::Kind kind, std::size_t children);
  void close_full();

  std::vector<Node> replies_;
  std::vector<Open> open_;  // aggregates whose children are still coming, outermost first
};

}  // namespace larder::protocol
