#include "protocol/reply_tree.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/resp_writer.h"

using namespace larder::protocol;

namespace {

// One of everything, nested.
void say_everything(Reply& reply) {
  reply.array(9);
  reply.ok();
  reply.error("ERR no");
  reply.map(2);
  reply.bulk("a");
  reply.integer(1);
  reply.bulk("b");
  reply.array(0);
  reply.set(1);
  reply.number(1.5);
  reply.push(2);
  reply.null();
  reply.null_array();
  reply.boolean(true);
  reply.big_number("12345678901234567890123");
  reply.verbatim("txt", "text");
  reply.boolean(false);
}

std::string spelled(int version, const auto& speak) {
  BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  writer.version(version);
  speak(writer);
  OutputBuffer::Piece piece{};
  return out.gather({&piece, 1}) == 0 ? "" : std::string(piece.data, piece.size);
}

}  // namespace

TEST_CASE("a tree remembers what was said") {
  ReplyTree tree;
  CHECK(!tree.complete());
  tree.array(2);
  CHECK(!tree.complete());
  tree.bulk("green");
  tree.map(1);
  tree.bulk("k");
  CHECK(!tree.complete());
  tree.integer(7);
  REQUIRE(tree.complete());
  const Node& root = tree.root();
  CHECK(root.kind == Node::Kind::array);
  REQUIRE(root.children.size() == 2);
  CHECK(root.children[0].text == "green");
  CHECK(root.children[1].children[1].integer == 7);
  CHECK(to_text(root) == "[green, {k: 7}]");
}

TEST_CASE("to_text shows every kind") {
  ReplyTree tree;
  say_everything(tree);
  REQUIRE(tree.complete());
  CHECK(to_text(tree.root()) ==
        "[OK, (error) ERR no, {a: 1, b: []}, ~[1.5], >[(nil), (nil)], #t, 12345678901234567890123, "
        "text, #f]");
}

TEST_CASE("a replayed tree says the same bytes") {
  ReplyTree tree;
  say_everything(tree);
  for (const int version : {2, 3}) {
    CHECK(spelled(version, [&](Reply& reply) { replay(tree.root(), reply); }) ==
          spelled(version, say_everything));
  }
}

TEST_CASE("a tree takes several replies and can be used again") {
  ReplyTree tree;
  tree.push(1);
  tree.bulk("one");
  tree.push(1);
  tree.bulk("two");
  REQUIRE(tree.complete());
  CHECK(tree.replies().size() == 2);
  const Node first = tree.take();
  CHECK(to_text(first) == ">[one]");
  CHECK(!tree.complete());
  tree.null();
  CHECK(to_text(tree.root()) == "(nil)");
}

TEST_CASE("a tree copies pins and releases them") {
  int releases = 0;
  ReplyTree tree;
  tree.pinned(Pin("value", &releases, [](void* owner) { ++*static_cast<int*>(owner); }));
  CHECK(releases == 1);
  CHECK(tree.root().kind == Node::Kind::bulk);
  CHECK(tree.root().text == "value");
}

TEST_CASE("children beyond what is reserved are kept in order, nested ones too") {
  ReplyTree tree;
  tree.array(2000);
  for (int i = 0; i < 2000; ++i) {
    tree.array(1);
    tree.integer(i);
  }
  REQUIRE(tree.complete());
  for (std::size_t i = 0; i < 2000; ++i) {
    REQUIRE(tree.root().children[i].children[0].integer == static_cast<std::int64_t>(i));
  }
}
