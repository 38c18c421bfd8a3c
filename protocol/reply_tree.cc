#include "protocol/reply_tree.h"

#include <algorithm>
#include <utility>

#include "protocol/numbers.h"

namespace larder::protocol {
namespace {

std::string joined(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) {
    if (!text.empty()) text += ", ";
    text += to_text(node);
  }
  return text;
}

std::string map_text(const std::vector<Node>& nodes) {
  std::string text;
  for (std::size_t i = 0; i + 1 < nodes.size(); i += 2) {
    if (!text.empty()) text += ", ";
    text += to_text(nodes[i]) + ": " + to_text(nodes[i + 1]);
  }
  return "{" + text + "}";
}

}  // namespace

std::string to_text(const Node& node) {
  using enum Node::Kind;
  switch (node.kind) {
    case simple:
    case bulk:
    case big_number:
    case verbatim: return node.text;
    case error: return "(error) " + node.text;
    case null:
    case null_array: return "(nil)";
    case integer: return integer_text(node.integer);
    case number: return double_text(node.number);
    case boolean: return node.integer != 0 ? "#t" : "#f";
    case array: return "[" + joined(node.children) + "]";
    case map: return map_text(node.children);
    case set: return "~[" + joined(node.children) + "]";
    case push: return ">[" + joined(node.children) + "]";
  }
  return {};
}

void replay(const Node& node, Reply& reply) {
  using enum Node::Kind;
  switch (node.kind) {
    case simple: reply.simple(node.text); break;
    case error: reply.error(node.text); break;
    case null: reply.null(); break;
    case null_array: reply.null_array(); break;
    case integer: reply.integer(node.integer); break;
    case bulk: reply.bulk(node.text); break;
    case number: reply.number(node.number); break;
    case boolean: reply.boolean(node.integer != 0); break;
    case big_number: reply.big_number(node.text); break;
    case verbatim: reply.verbatim(node.format, node.text); break;
    case array: reply.array(node.children.size()); break;
    case map: reply.map(node.children.size() / 2); break;
    case set: reply.set(node.children.size()); break;
    case push: reply.push(node.children.size()); break;
  }
  for (const Node& child : node.children) replay(child, reply);
}

Node ReplyTree::take() {
  Node first = std::move(replies_.front());
  clear();
  return first;
}

void ReplyTree::clear() {
  replies_.clear();
  open_.clear();
}

// The new node goes under the innermost open aggregate. Pointers in open_ stay good: a list of
// children grows only while none of its elements is open.
Node& ReplyTree::add(Node::Kind kind) {
  std::vector<Node>& siblings = open_.empty() ? replies_ : open_.back().node->children;
  if (!open_.empty()) --open_.back().missing;
  Node& node = siblings.emplace_back();
  node.kind = kind;
  return node;
}

// Aggregates whose last child was said are closed, from the inside.
void ReplyTree::close_full() {
  while (!open_.empty() && open_.back().missing == 0) open_.pop_back();
}

Node& ReplyTree::leaf(Node::Kind kind) {
  Node& node = add(kind);
  close_full();
  return node;
}

void ReplyTree::open(Node::Kind kind, std::size_t children) {
  Node& node = add(kind);
  node.children.reserve(std::min(children, kReservedChildren));
  open_.push_back({&node, children});
  close_full();
}

void ReplyTree::simple(std::string_view text) {
  leaf(Node::Kind::simple).text = text;
}
void ReplyTree::error(std::string_view text) {
  leaf(Node::Kind::error).text = text;
}
void ReplyTree::null() {
  leaf(Node::Kind::null);
}
void ReplyTree::null_array() {
  leaf(Node::Kind::null_array);
}
void ReplyTree::integer(std::int64_t value) {
  leaf(Node::Kind::integer).integer = value;
}
void ReplyTree::bulk(std::string_view bytes) {
  leaf(Node::Kind::bulk).text = bytes;
}
void ReplyTree::pinned(Pin pin) {
  bulk(pin.bytes());
}
void ReplyTree::number(double value) {
  leaf(Node::Kind::number).number = value;
}
void ReplyTree::boolean(bool value) {
  leaf(Node::Kind::boolean).integer = value ? 1 : 0;
}
void ReplyTree::big_number(std::string_view digits) {
  leaf(Node::Kind::big_number).text = digits;
}

void ReplyTree::verbatim(std::string_view format, std::string_view text) {
  Node& node = leaf(Node::Kind::verbatim);
  node.format = format;
  node.text = text;
}

void ReplyTree::array(std::size_t count) {
  open(Node::Kind::array, count);
}
void ReplyTree::map(std::size_t pairs) {
  open(Node::Kind::map, pairs * 2);
}
void ReplyTree::set(std::size_t count) {
  open(Node::Kind::set, count);
}
void ReplyTree::push(std::size_t count) {
  open(Node::Kind::push, count);
}

}  // namespace larder::protocol
